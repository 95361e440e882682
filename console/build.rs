//! Makes sure that `web/dist` exists: without the page built, the program still compiles and says how to build it.

use std::{fs, path::Path};

const FALLBACK: &str = "<!doctype html>
<html lang=\"en\">
<head><meta charset=\"utf-8\"><title>Homeward</title></head>
<body><h1>Homeward</h1>
<p>The page has not been built. Run <code>npm ci &amp;&amp; npm run build</code> in <code>console/web</code>, then build the program again.</p>
<p>The API is at <a href=\"/api/v1/openapi.json\">/api/v1/openapi.json</a>.</p></body>
</html>
";

fn main() -> std::io::Result<()> {
    let dist = Path::new("web/dist");
    if !dist.join("index.html").exists() {
        fs::create_dir_all(dist)?;
        fs::write(dist.join("index.html"), FALLBACK)?;
    }
    println!("cargo::rerun-if-changed=web/dist");
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}
