use clap::CommandFactory as _;
use lariat_cli::Cli;

use crate::golden;

/// Every command's help, so that a change of it is seen.
#[test]
fn help_of_all_commands() {
    let mut cli = Cli::command().term_width(100);
    cli.build();
    golden::check("help", &cli.render_long_help().to_string());
    for command in cli.get_subcommands_mut() {
        // Options of all commands stand in the help of the program.
        let mut text = String::new();
        render(command, &mut text);
        golden::check(&format!("help-{}", command.get_name()), &text);
    }
}

fn render(command: &mut clap::Command, text: &mut String) {
    if command.get_name() == "help" {
        return;
    }
    let own = std::mem::take(command).mut_args(|argument| {
        let global = argument.is_global_set();
        argument.hide(global)
    });
    *command = own;
    text.push_str(&command.render_long_help().to_string());
    for inner in command.get_subcommands_mut() {
        if inner.get_name() != "help" {
            text.push_str("\n========\n\n");
            render(inner, text);
        }
    }
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}
