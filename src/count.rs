//! How many there are, as people read it.

use std::fmt::Display;

/// `1 message`, `2 messages`.
pub fn counted<N: Display + PartialEq + From<u8>>(number: N, one: &str) -> String {
    let ending = if number == N::from(1) { "" } else { "s" };
    format!("{number} {one}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_all_others_are_many() {
        let said = [0_u64, 1, 2].map(|number| counted(number, "message"));
        assert_eq!(said, ["0 messages", "1 message", "2 messages"]);
    }
}
