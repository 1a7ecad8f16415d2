//! The commands of SMTP (RFC 5321, section 4.1), of its AUTH (RFC 4954) and STARTTLS (RFC 3207) extensions.

/// One command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Helo(&'a str),
    Ehlo(&'a str),
    StartTls,
    Auth {
        mechanism: &'a str,
        initial: Option<&'a str>,
    },
    /// `size` is what the client announced (RFC 1870).
    Mail {
        from: &'a str,
        size: Option<usize>,
    },
    Rcpt {
        to: &'a str,
    },
    Data,
    Rset,
    Noop,
    Vrfy,
    Quit,
}

/// Why a line is no command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    /// 500.
    UnknownCommand,
    /// 501.
    BadArguments,
}

impl<'a> Command<'a> {
    /// Reads a line without its line end.
    pub(super) fn parse(line: &'a str) -> Result<Self, Mistake> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        let named = |name: &'a str| if name.is_empty() { Err(Mistake::BadArguments) } else { Ok(name) };
        let alone = |command| if rest.is_empty() { Ok(command) } else { Err(Mistake::BadArguments) };
        match verb.to_ascii_uppercase().as_str() {
            "HELO" => named(rest).map(Self::Helo),
            "EHLO" => named(rest).map(Self::Ehlo),
            "STARTTLS" => alone(Self::StartTls),
            "AUTH" => {
                let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
                let initial = Some(initial.trim()).filter(|initial| !initial.is_empty());
                Ok(Self::Auth { mechanism: named(mechanism)?, initial })
            }
            "MAIL" => {
                let (from, parameters) = path(rest, "FROM:")?;
                Ok(Self::Mail { from, size: announced_size(parameters)? })
            }
            "RCPT" => match path(rest, "TO:")? {
                ("", _) => Err(Mistake::BadArguments),
                (to, _) => Ok(Self::Rcpt { to }),
            },
            "DATA" => alone(Self::Data),
            "RSET" => alone(Self::Rset),
            "NOOP" => Ok(Self::Noop),
            "VRFY" => Ok(Self::Vrfy),
            "QUIT" => alone(Self::Quit),
            _ => Err(Mistake::UnknownCommand),
        }
    }
}

/// `FROM:<address> PARAMETERS`, taken apart; the empty address is the sender of bounces.
fn path<'a>(text: &'a str, keyword: &str) -> Result<(&'a str, &'a str), Mistake> {
    let (given, rest) = text.split_at_checked(keyword.len()).ok_or(Mistake::BadArguments)?;
    if !given.eq_ignore_ascii_case(keyword) {
        return Err(Mistake::BadArguments);
    }
    let inside = rest.trim_start().strip_prefix('<').ok_or(Mistake::BadArguments)?;
    let (address, parameters) = inside.split_once('>').ok_or(Mistake::BadArguments)?;
    let plausible = address.is_empty() || (address.contains('@') && !address.contains(char::is_control));
    if plausible { Ok((address, parameters.trim())) } else { Err(Mistake::BadArguments) }
}

fn announced_size(parameters: &str) -> Result<Option<usize>, Mistake> {
    let size = parameters.split_whitespace().find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.eq_ignore_ascii_case("SIZE").then_some(value)
    });
    size.map(|digits| digits.parse().map_err(|_| Mistake::BadArguments)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_commands_in_any_case_with_their_parameters() {
        let cases = [
            ("ehlo shop.test", Ok(Command::Ehlo("shop.test"))),
            ("EHLO", Err(Mistake::BadArguments)),
            ("MAIL FROM:<a@b.test>", Ok(Command::Mail { from: "a@b.test", size: None })),
            ("mail from: <> BODY=8BITMIME size=12", Ok(Command::Mail { from: "", size: Some(12) })),
            ("MAIL FROM:<a@b.test> SIZE=many", Err(Mistake::BadArguments)),
            ("MAIL FROM:a@b.test", Err(Mistake::BadArguments)),
            ("MAIL FROM:<a@b.test", Err(Mistake::BadArguments)),
            ("RCPT TO:<김치@shop.test>", Ok(Command::Rcpt { to: "김치@shop.test" })),
            ("RCPT TO:<>", Err(Mistake::BadArguments)),
            ("RCPT TO:<nobody>", Err(Mistake::BadArguments)),
            ("AUTH PLAIN AGEAYg==", Ok(Command::Auth { mechanism: "PLAIN", initial: Some("AGEAYg==") })),
            ("AUTH LOGIN", Ok(Command::Auth { mechanism: "LOGIN", initial: None })),
            ("DATA", Ok(Command::Data)),
            ("DATA now", Err(Mistake::BadArguments)),
            ("NOOP whatever", Ok(Command::Noop)),
            ("GET / HTTP/1.1", Err(Mistake::UnknownCommand)),
            ("", Err(Mistake::UnknownCommand)),
        ];
        for (line, expected) in cases {
            assert_eq!(Command::parse(line), expected, "{line}");
        }
    }
}
