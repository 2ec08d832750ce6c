//! Who hears on what a conclusion rests. The code that concludes asks its questions through a [`Witness`]; an audit tells [`Nobody`], which
//! costs nothing, and an explanation keeps the list. So what is explained is what was decided.

/// Hears every question that a conclusion turns on.
pub trait Witness<Q> {
    /// A question with its answer, which comes back.
    fn asks(&mut self, answer: bool, question: impl FnOnce() -> Q) -> bool;
}

/// Nobody wants to know.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl<Q> Witness<Q> for Nobody {
    #[inline]
    fn asks(&mut self, answer: bool, _: impl FnOnce() -> Q) -> bool {
        answer
    }
}

/// A question that was asked of the facts, and its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asked<Q> {
    /// What was asked, with the facts that it was asked of.
    pub question: Q,
    /// Yes or no.
    pub answer: bool,
}

impl<Q> Witness<Q> for Vec<Asked<Q>> {
    fn asks(&mut self, answer: bool, question: impl FnOnce() -> Q) -> bool {
        self.push(Asked { question: question(), answer });
        answer
    }
}
