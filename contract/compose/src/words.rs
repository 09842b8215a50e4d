//! Small arts of text: the nearest known word, splitting as a shell does, sizes and times.

use contract_values::Duration;

/// The known word that a person most likely meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let word = word.to_ascii_lowercase().replace('-', "_");
    let limit = (word.chars().count() / 3).max(1);
    // Among very many names a proposal is worth no more time.
    const MOST: usize = 500;
    known
        .into_iter()
        .take(MOST)
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= limit)
        .map(|candidate| {
            let folded = candidate.to_ascii_lowercase().replace('-', "_");
            (strsim::damerau_levenshtein(&word, &folded), candidate)
        })
        .filter(|(distance, _)| *distance <= limit && (*distance == 0 || *distance < word.chars().count()))
        .min()
        .map(|(_, candidate)| candidate)
}

/// The remedy for an unknown word: the nearest known one, or the list of them.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => one_of(known),
    }
}

/// Lists words for a remedy.
pub(crate) fn one_of(known: &[&str]) -> String {
    const MOST: usize = 12;
    let words: Vec<_> = known.iter().take(MOST).map(|word| format!("`{word}`")).collect();
    match words.len() {
        0 => "remove it".to_owned(),
        1 => format!("the only one known is {}", words[0]),
        _ => format!("use one of {}{}", words.join(", "), if known.len() > MOST { ", …" } else { "" }),
    }
}

/// Why a text cannot be split into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SplitError {
    Quote(char),
    Backslash,
}

/// Splits a command line into words by the rules of a POSIX shell, without any expansion.
pub(crate) fn split(text: &str) -> Result<Vec<String>, SplitError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err(SplitError::Quote('\'')),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                            Some('\n') => {}
                            Some(c) => word.extend(['\\', c]),
                            None => return Err(SplitError::Quote('"')),
                        },
                        Some(c) => word.push(c),
                        None => return Err(SplitError::Quote('"')),
                    }
                }
            }
            '\\' => match chars.next() {
                Some('\n') => {}
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err(SplitError::Backslash),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Reads a size: bytes, or a number with `b`, `k`, `m`, `g`, `t`, `p` (also `kb`, `kib` …), in steps of 1024.
pub(crate) fn bytes(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start().to_ascii_lowercase();
    let power = match unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(&unit) {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    let scale = 1024_i64.pow(power);
    if let Ok(whole) = number.parse::<i64>() {
        return whole.checked_mul(scale);
    }
    if power == 0 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "a power of two up to 2^50 is exact")]
    let value = number.parse::<f64>().ok()? * scale as f64;
    #[expect(clippy::cast_possible_truncation, reason = "checked against the range before")]
    (value.is_finite() && value < 9e18).then_some(value as i64)
}

/// Reads a time with units, as `1m30s` or `500ms`; a bare `0` is allowed.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(Duration::millis(0));
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let factor = match &rest[..letters] {
            "ns" => 1e-6,
            "us" | "µs" | "μs" => 1e-3,
            "ms" => 1.0,
            "s" => 1e3,
            "m" => 60e3,
            "h" => 3600e3,
            "d" => 86_400e3,
            "w" => 604_800e3,
            _ => return None,
        };
        total += number * factor;
        rest = &rest[letters..];
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked against the range before")]
    (total.is_finite() && total < 9e15).then(|| Duration::millis(total.ceil() as i64))
}

/// Writes a time so that [`duration`] reads the same.
pub(crate) fn write_duration(time: Duration) -> String {
    if time.0 % 1000 == 0 { format!("{}s", time.0 / 1000) } else { format!("{}ms", time.0) }
}

#[cfg(test)]
mod tests;
