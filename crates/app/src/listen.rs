//! Taking a port.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use crate::failure::Failure;

/// How many ports after the wished one are tried.
const NEIGHBOURS: u16 = 50;

/// Listens on `address`; port 0 takes a free one.
///
/// # Errors
/// One line that names the setting and the address.
pub(crate) fn on(setting: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|error| {
        let hint =
            if error.kind() == io::ErrorKind::AddrInUse { "; is the program running already?" } else { "" };
        Failure::Run(format!("{setting}: cannot listen on {address}: {error}{hint}"))
    })
}

/// Listens for whoever collects metrics, and tells where.
///
/// # Errors
/// As [`on`].
pub(crate) fn for_metrics(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = on("METRICS_ADDR", address)?;
    let bound = listener.local_addr().map_err(|error| Failure::because("METRICS_ADDR", &error))?;
    tracing::info!("metrics are at http://{bound}/metrics");
    Ok(listener)
}

/// Listens on `wished`, or on the next free port after it where that is in use.
///
/// # Errors
/// When no port can be had, or the address is not this machine's.
pub(crate) fn on_or_after(wished: SocketAddr) -> io::Result<TcpListener> {
    let last = wished.port().saturating_add(NEIGHBOURS);
    for port in wished.port()..=last {
        match TcpListener::bind(SocketAddr::new(wished.ip(), port)) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            outcome => return outcome,
        }
    }
    TcpListener::bind(SocketAddr::new(wished.ip(), 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_said_in_one_line() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let line = on("BIND_ADDR", address).unwrap_err().to_string();
        assert!(line.starts_with(&format!("BIND_ADDR: cannot listen on {address}: ")), "{line}");
        assert!(line.ends_with("is the program running already?"), "{line}");
    }

    #[test]
    fn the_next_free_port_is_taken_instead() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let wished = taken.local_addr().unwrap();
        let other = on_or_after(wished).unwrap().local_addr().unwrap();
        assert_eq!(other.ip(), wished.ip());
        assert_ne!(other.port(), wished.port());
    }
}
