//! The built binary, end to end: real processes, sockets and databases.

mod installation;
mod kill;
mod offline;
mod pipeline;
mod settings;
