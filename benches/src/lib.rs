//! Measurements: the parts behind `homeward-bench`.

pub mod machine;
pub mod pipeline;
pub mod population;
pub mod process;
pub mod quality;
