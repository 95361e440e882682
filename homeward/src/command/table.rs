//! Text in columns.

/// Rows with their columns aligned; numbers and everything else to the left, two spaces between.
pub fn aligned<const N: usize>(rows: &[[String; N]], indent: &str) -> String {
    let rows: Vec<[String; N]> = rows
        .iter()
        .map(|row| row.each_ref().map(|cell| casedb::plain::shown(cell)))
        .collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.chars().count().min(width))))
            .collect();
        text.push_str(indent);
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_line_up() {
        let rows = [["a".to_owned(), "bb".to_owned()], ["ccc".to_owned(), "d".to_owned()]];
        assert_eq!(super::aligned(&rows, " "), " a    bb\n ccc  d\n");
        let obeyed = [["a\u{1b}[2J".to_owned()]];
        assert_eq!(super::aligned(&obeyed, ""), "a\u{fffd}[2J\n");
    }
}
