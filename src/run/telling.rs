//! From a case to a report in the format that was asked for, and to the exit code.

use super::Exit;
use super::console::{Paper, Target, is_dumb, tell, write_to};
use crate::case::{Case, Conclusion};
use crate::cli::{AuditArgs, Color, FailOn, Format};
use crate::error::Error;
use crate::report::{self, By, Look, Report};
use crate::time::Zone;
use crate::words::Words;

/// How the end of an audit is told.
pub(super) struct Telling<'a> {
    pub format: Format,
    pub output: Target<'a>,
    pub fail_on: FailOn,
    pub flows: bool,
    pub color: Color,
    pub verbose: bool,
    pub utc: bool,
    pub page: Page<'a>,
}

/// What of the text report is shown.
#[derive(Clone, Copy)]
pub(super) enum Page<'a> {
    /// The report.
    Report,
    /// One problem, by its number or its id.
    Problem(&'a str),
    /// A table.
    Table(By),
}

impl<'a> Telling<'a> {
    pub fn of(args: &AuditArgs, output: Target<'a>) -> Telling<'a> {
        let AuditArgs { format, fail_on, flows, color, verbose, utc, .. } = *args;
        Telling { format, output, fail_on, flows, color, verbose, utc, page: Page::Report }
    }

    /// How text looks on this paper.
    pub fn look(&self, paper: Paper) -> Look {
        Look { width: paper.width(), color: colored(self.color, paper), flows: self.flows, verbose: self.verbose }
    }

    /// Concludes a case, writes the report, and says how the command ends.
    ///
    /// # Errors
    /// [`Error::Write`]; [`Error::NoProblem`].
    pub fn conclude(&self, case: &Case) -> Result<Exit, Error> {
        self.tell(&case.conclude())
    }

    /// Writes the report of a conclusion, and says how the command ends.
    ///
    /// # Errors
    /// [`Error::Write`]; [`Error::NoProblem`].
    pub fn tell(&self, conclusion: &Conclusion<'_>) -> Result<Exit, Error> {
        let report = Report::new(conclusion);
        // Programs get UTC.
        let words = words(self.utc || self.format != Format::Text);
        // A table has no place for it; the other formats say it themselves.
        if let (Format::Csv, Some(flows @ 1..)) = (self.format, report.totals.flows_left_out) {
            tell(&format!("{} are counted, but not listed; --max-flows lists more", report::count(flows, "flow")));
        }
        // Before anything is written.
        let problem = match self.page {
            Page::Problem(asked) => {
                let none = || Error::NoProblem { asked: asked.into(), problems: report.problems.len() };
                report::find_problem(report.problems, asked).ok_or_else(none)?
            }
            Page::Report | Page::Table(_) => 0,
        };
        write_to(self.output, |out, paper| match self.format {
            Format::Text => match self.page {
                Page::Report => report::write_text(out, &report, &words, self.look(paper)),
                Page::Problem(_) => report::write_problem(out, problem, &report, &words, self.look(paper)),
                Page::Table(by) => report::write_by(out, by, &report, &words, self.look(paper)),
            },
            Format::Json => report::write_json(out, &report, &words),
            Format::Ndjson => report::write_ndjson(out, &report, &words),
            Format::Csv => report::write_csv(out, &report),
        })?;
        Ok(self.exit(conclusion))
    }

    /// How a command ends that came to this conclusion.
    pub fn exit(&self, conclusion: &Conclusion<'_>) -> Exit {
        if conclusion.tally.evaluable == 0 {
            Exit::NothingJudged
        } else if self.fail_on.fails(conclusion.worst()) {
            Exit::Found
        } else {
            Exit::Clean
        }
    }
}

/// Whether text has colours on this paper.
pub(super) fn colored(color: Color, paper: Paper) -> bool {
    match color {
        Color::Auto => {
            let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            paper == Paper::Terminal && wanted && !is_dumb()
        }
        Color::Always => true,
        Color::Never => false,
    }
}

/// English, with the times of the user's zone or of UTC.
pub(super) fn words(utc: bool) -> Words {
    Words::default().in_zone(if utc { Zone::utc() } else { Zone::of_the_system() })
}
