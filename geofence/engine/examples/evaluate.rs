//! `evaluate ZONES.geojson TRACKS.csv[.gz] OUT.csv`: the library function from the command line.

use std::{
    env,
    error::Error,
    fs::File,
    io::{BufReader, BufWriter, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [zones, tracks, out] = arguments.as_slice() else {
        return Err("usage: evaluate ZONES.geojson TRACKS.csv[.gz] OUT.csv".into());
    };
    let file = BufReader::new(File::open(tracks)?);
    let tracks: Box<dyn Read> = if Path::new(tracks).extension().is_some_and(|extension| extension == "gz") {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let summary = homeward_engine::evaluate::run(
        BufReader::new(File::open(zones)?),
        tracks,
        BufWriter::new(File::create(out)?),
    )?;
    for problem in &summary.problems {
        eprintln!("{problem}");
    }
    println!(
        "{} zones ({} refused), {} fixes ({} refused), {} rows written",
        summary.zones, summary.zones_refused, summary.rows, summary.rows_refused, summary.written
    );
    Ok(())
}
