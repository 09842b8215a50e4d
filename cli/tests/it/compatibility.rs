use clap::CommandFactory as _;
use lariat_cli::{Answer, COMPATIBILITY, Cli, Tool};

/// Says what is wrong with a command line of ours, as words and options without values.
fn wrong(root: &clap::Command, line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    if words.next() != Some("lariat") {
        return Some("it does not begin with `lariat`".into());
    }
    let mut command = root;
    for word in words {
        if let Some(name) = word.strip_prefix("--") {
            let all = [command, root];
            let is = |argument: &clap::Arg| {
                argument.get_long() == Some(name)
                    || argument.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
            };
            let known = all.iter().any(|command| command.get_arguments().any(is));
            if !known && !["version", "help"].contains(&name) {
                return Some(format!("there is no option --{name}"));
            }
        } else if let Some(short) = word.strip_prefix('-') {
            let short = short.chars().next()?;
            if !command.get_arguments().any(|argument| argument.get_short() == Some(short)) {
                return Some(format!("there is no option -{short}"));
            }
        } else {
            match command.find_subcommand(word) {
                Some(inner) => command = inner,
                None => return Some(format!("there is no command {word}")),
            }
        }
    }
    None
}

#[test]
fn the_table_names_nothing_that_there_is_not() {
    let mut root = Cli::command();
    root.build();
    let mut faults = Vec::new();
    for entry in COMPATIBILITY {
        match entry.answer {
            Answer::Ours(line, _) => {
                if let Some(what) = wrong(&root, line) {
                    faults.push(format!("{} {:?}: `{line}`: {what}", entry.command, entry.option));
                }
            }
            Answer::Absent(why) => assert!(!why.is_empty(), "{entry:?}"),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn each_command_and_option_stands_there_once() {
    let mut seen = std::collections::BTreeSet::new();
    for entry in COMPATIBILITY {
        let tool = matches!(entry.tool, Tool::Rancher);
        assert!(seen.insert((tool, entry.command, entry.option)), "{entry:?} stands there twice");
    }
    // As many as the old programs have: 23 commands with 20 below them, and ten.
    let commands = |tool| {
        let own = COMPATIBILITY.iter().filter(|entry| entry.tool == tool && entry.option.is_none());
        let (below, top): (Vec<&lariat_cli::Entry>, Vec<&lariat_cli::Entry>) =
            own.partition(|entry| entry.command.split(", ").next().is_some_and(|name| name.contains(' ')));
        (top.len(), below.len())
    };
    assert_eq!(commands(Tool::Rancher), (23, 21));
    assert_eq!(commands(Tool::RancherCompose), (10, 0));
}
