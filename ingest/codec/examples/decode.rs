//! `homeward decode` without the rest of Homeward: `decode decode --protocol jt808 < FRAMES.hex`.

use std::{env, io};

use homeward_codec::{Protocol, decode_lines};
use jiff::Timestamp;

fn main() -> io::Result<()> {
    let protocol = env::args().skip_while(|argument| argument != "--protocol").nth(1);
    let protocol = protocol.as_deref().and_then(Protocol::by_name);
    let protocol = protocol.ok_or_else(|| io::Error::other("usage: decode --protocol native|jt808"))?;
    decode_lines(
        protocol,
        Timestamp::now(),
        io::stdin().lock(),
        io::BufWriter::new(io::stdout().lock()),
    )
}
