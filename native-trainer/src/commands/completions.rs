//! `tailor completions`: the command line for shells.

use crate::cli::CompletionsArgs;
use crate::error::Error;
use crate::system::output::print;

/// Prints the completion script of a shell.
///
/// # Errors
/// [`Error::Write`] when standard output cannot be written.
pub fn run(args: &CompletionsArgs) -> Result<(), Error> {
    Ok(print(&args.script())?)
}
