//! Commands as a shell takes them, for hints that can be pasted.

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::path::Path;

/// One word of a command, quoted where it must be.
///
/// What is no UTF-8, and control characters, become `$'…'` with escapes, as bash, zsh and POSIX 2024 read
/// them: the command then names the same file.
pub fn word(word: impl AsRef<OsStr>) -> String {
    let word = word.as_ref();
    if let Some(text) = word.to_str()
        && !text.chars().any(char::is_control)
        && let Ok(quoted) = shlex::try_quote(text)
    {
        return quoted.into_owned();
    }
    let mut out = "$'".to_owned();
    let escape = |out: &mut String, bytes: &[u8]| {
        for byte in bytes {
            // Writing into a string cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    };
    for chunk in word.as_encoded_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\'' | '\\' => out.extend(['\\', c]),
                c if c.is_control() => escape(&mut out, c.encode_utf8(&mut [0; 4]).as_bytes()),
                c => out.push(c),
            }
        }
        escape(&mut out, chunk.invalid());
    }
    out + "'"
}

/// A path as a word, which no command takes for a flag.
pub fn path(path: &Path) -> String {
    if path.as_os_str().as_encoded_bytes().starts_with(b"-") {
        return word(Path::new(".").join(path));
    }
    word(path)
}

/// The command that this program was started by, with `flag` at its end unless it stands there already.
pub fn command_again(flag: &str) -> String {
    again(std::env::args_os().collect(), flag)
}

fn again(mut words: Vec<OsString>, flag: &str) -> String {
    if !words.iter().any(|word| word == flag) {
        words.push(flag.into());
    }
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_only_where_it_must_be() {
        assert_eq!(word("runs/letters"), "runs/letters");
        assert_eq!(word("my run"), "'my run'");
        assert_eq!(word("a\nb"), "$'a\\x0ab'");
        assert_eq!(path(Path::new("-x.tailor")), "./-x.tailor");
        assert_eq!(again(vec!["tailor".into(), "a b".into()], "--resume"), "tailor 'a b' --resume");
        assert_eq!(again(vec!["tailor".into(), "--resume".into()], "--resume"), "tailor --resume");
    }

    #[cfg(unix)]
    #[test]
    fn a_shell_reads_back_the_very_bytes() {
        use std::os::unix::ffi::OsStrExt;
        for bytes in [&b"donn\xe9es"[..], b"it's", b"a\\b\xff'", b"\x1b[2J \xe2\x82", b"$(x) `y` \"z\""] {
            let script = format!("printf %s {}", word(OsStr::from_bytes(bytes)));
            let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
            assert_eq!(output.stdout, bytes, "{script}");
        }
    }
}
