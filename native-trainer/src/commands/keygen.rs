//! `tailor keygen`: a key to sign galleries with.

use crate::cli::KeygenArgs;
use crate::error::Error;
use crate::gallery::sign::{NewKey, keygen};
use crate::system::output::{json, print};

/// Runs `tailor keygen`: a new secret key in `NAME.key` and its public key in `NAME.pub`, where neither is
/// yet.
///
/// # Errors
/// A file that is there, a password that cannot be had, or anything wrong with the disk.
pub fn run(args: &KeygenArgs) -> Result<(), Error> {
    let NewKey { secret, public, key } = keygen(&args.name, args.no_password)?;
    let text = match args.json {
        true => json(&serde_json::json!({
            "secret": secret.to_string_lossy(),
            "public": public.to_string_lossy(),
            "key": key.to_string(),
            "id": key.id(),
            "fingerprint": key.fingerprint(),
        })),
        false => format!(
            "secret key   {}, to be kept to yourself\n\
             public key   {}, to be published: {key}\n\
             key id       {}\n\
             fingerprint  {}\n",
            secret.display(),
            public.display(),
            key.id(),
            key.fingerprint(),
        ),
    };
    Ok(print(&text)?)
}
