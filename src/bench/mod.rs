//! How fast this machine is: traffic made up for it, what is measured with it, and the words for that.

mod measure;
mod mix;
mod text;

pub(crate) use measure::{Capture, Holds, MixLine, Written, measure};
pub use mix::{Conduct, Mix, MixError, Promise, SERVICES, Service, Sizes, Traffic};
pub(crate) use text::Tell;
