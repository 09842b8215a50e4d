//! The person's terminal: its size, keys without echo, and every key at once.

use std::os::fd::AsFd as _;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// Columns and rows of the terminal, if there is one.
pub fn size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(std::io::stdout()).or_else(|_| tcgetwinsize(std::io::stderr())).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// A terminal whose settings go back to what they were when this is dropped.
pub struct Restored {
    before: Termios,
}

impl Drop for Restored {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin().as_fd(), OptionalActions::Now, &self.before);
    }
}

/// Passes on every key as it is pressed, also Ctrl-C.
///
/// # Errors
/// Fails without a terminal.
pub fn raw() -> std::io::Result<Restored> {
    let stdin = std::io::stdin();
    let before = tcgetattr(stdin.as_fd())?;
    let mut raw = before.clone();
    raw.make_raw();
    tcsetattr(stdin.as_fd(), OptionalActions::Now, &raw)?;
    Ok(Restored { before })
}

/// Shows nothing of what is typed.
///
/// # Errors
/// Fails without a terminal.
pub fn without_echo() -> std::io::Result<Restored> {
    let stdin = std::io::stdin();
    let before = tcgetattr(stdin.as_fd())?;
    let mut quiet = before.clone();
    quiet.local_modes.remove(LocalModes::ECHO);
    tcsetattr(stdin.as_fd(), OptionalActions::Flush, &quiet)?;
    Ok(Restored { before })
}
