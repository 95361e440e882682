//! Measurements: the parts behind `homeward-bench`.

pub mod connections;
pub mod descriptors;
pub mod load;
pub mod machine;
pub mod pipeline;
pub mod population;
pub mod process;
pub mod quality;
pub mod server;
pub mod site;
