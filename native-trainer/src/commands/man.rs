//! `tailor man`: the command line for `man`.

use crate::cli::ManArgs;
use crate::error::Error;
use crate::system::files::{WriteError, create_folder, write_atomic};

/// Writes `tailor.1` and a page for each command to a folder.
///
/// # Errors
/// [`Error::Write`] names the file.
pub fn run(args: &ManArgs) -> Result<(), Error> {
    create_folder(&args.out)?;
    for (name, page) in args.pages().map_err(WriteError::at(&args.out))? {
        write_atomic(&args.out.join(name), &page)?;
    }
    Ok(())
}
