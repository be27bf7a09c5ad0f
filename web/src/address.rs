//! One spelling for each gallery's address: what is remembered of a gallery must not depend on how a link spells it.

/// The address of a gallery's folder with its last slash, out of an absolute URL as the browser writes it: escapes that need not be
/// are undone and doubled slashes are one. `None` for what is no folder on a web server.
pub fn canonical(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if host.is_empty() || host.contains('@') || path.contains(['?', '#']) {
        return None;
    }
    let path = plain(path);
    let parts = path.split('/').filter(|part| !part.is_empty());
    let path: String = parts.map(|part| format!("{part}/")).collect();
    Some(format!("{scheme}://{host}/{path}"))
}

/// Without escapes of letters, digits and `-._~`, which mean the same with and without; the others in upper case.
fn plain(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let code = after.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        rest = match code {
            Some(code) if code.is_ascii_alphanumeric() || b"-._~".contains(&code) => {
                out.push(char::from(code));
                &after[2..]
            }
            Some(code) => {
                out.push_str(&format!("%{code:02X}"));
                &after[2..]
            }
            None => {
                out.push('%');
                after
            }
        };
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_address_is_one() {
        let expected = "https://example.org/a/letters%2Fx/";
        for url in [
            "https://example.org/a/letters%2Fx",
            "https://example.org/a/letters%2fx/",
            "https://example.org/%61//le%74ters%2fx//",
        ] {
            assert_eq!(canonical(url).as_deref(), Some(expected), "{url}");
        }
        assert_eq!(canonical("http://localhost:8000").as_deref(), Some("http://localhost:8000/"));
    }

    #[test]
    fn what_is_no_folder_on_a_web_server_is_refused() {
        for url in [
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/",
            "https://a@example.org/x/",
            "https://example.org/x/?y",
            "https://example.org/x/#y",
            "https:///x",
        ] {
            assert_eq!(canonical(url), None, "{url}");
        }
    }
}
