//! Tables in text, and tables as CSV. The only file that names `comfy-table` and `csv`.

use crate::outside::{cell, printable};
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use std::io::{self, Write};

/// A table under a head, fitted into `width` columns of text: names on the left, numbers flush right.
pub(super) fn aligned<const N: usize>(
    head: [String; N],
    rows: impl Iterator<Item = [String; N]>,
    width: usize,
) -> String {
    let mut table = Table::new();
    let width = u16::try_from(width).unwrap_or(u16::MAX);
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table.set_header(head);
    rows.for_each(|row| _ = table.add_row(row.map(|text| printable(&text).into_owned())));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    if let Some(column) = table.column_mut(0) {
        column.set_padding((0, 1));
    }
    table.to_string()
}

/// Texts in two columns of these widths, each wrapped in its own. The left one begins after an indent, which its width includes.
pub(super) fn beside(rows: impl Iterator<Item = [String; 2]>, widths: [usize; 2], indent: u16) -> String {
    let mut table = Table::new();
    table.force_no_tty().load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    rows.for_each(|row| _ = table.add_row(row.map(|text| printable(&text).into_owned())));
    let widths = widths.map(|width| u16::try_from(width).unwrap_or(u16::MAX));
    table.set_constraints(widths.map(|width| ColumnConstraint::Absolute(Width::Fixed(width))));
    for (column, padding) in table.column_iter_mut().zip([(indent, 2), (0, 0)]) {
        column.set_padding(padding);
    }
    table.to_string()
}

/// Writes a head and one line a row as CSV. No cell is a formula (`outside::cell`).
///
/// # Errors
/// What writing gives.
pub(super) fn write_rows<const N: usize>(
    out: &mut impl Write,
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(head).map_err(io_error)?;
    for row in rows {
        writer.write_record(row.iter().map(|text| cell(text).into_owned())).map_err(io_error)?;
    }
    writer.flush()
}

/// What went wrong in writing. The crate's own conversion hides the kind, by which a closed pipe is known.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}
