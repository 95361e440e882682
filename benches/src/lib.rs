//! Measurements: the parts behind `homeward-bench`.

pub mod backlog;
pub mod chaos;
pub mod connections;
pub mod descriptors;
pub mod flood;
pub mod load;
pub mod machine;
pub mod pipeline;
pub mod population;
pub mod process;
pub mod quality;
pub mod queue;
pub mod rolling;
pub mod sealing;
pub mod server;
pub mod site;
