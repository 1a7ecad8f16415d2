//! The built server, from outside: over HTTP, with a real PostgreSQL and protocol-true stand-ins around it.

mod smoke;
