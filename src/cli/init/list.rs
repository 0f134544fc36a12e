//! A list to pick from: numbers, names, and how a long one is shortened. Pure.

/// So many lines leave the question on the screen.
const SHOWN: usize = 20;

/// What can be picked.
#[derive(Debug, Clone)]
pub struct Item {
    /// By which it is picked: its place in the list, or its id.
    pub number: i64,
    /// As it is written.
    pub name: String,
    /// Stands behind the name; often empty.
    pub note: String,
}

/// Some items, in the order in which they are shown.
pub struct Listing<'a>(pub &'a [Item]);

impl Listing<'_> {
    /// The items of these indexes, a line each, as far as they fit.
    pub fn lines(&self, indexes: &[usize]) -> Vec<String> {
        let line = |&at: &usize| {
            let Item { number, name, note } = &self.0[at];
            format!("{number:5}  {name}  {note}").trim_end().to_owned()
        };
        let mut lines: Vec<String> = indexes.iter().take(SHOWN).map(line).collect();
        if let Some(more) = indexes.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            lines.push(format!(
                "       … and {more} more; a part of the name shortens the list"
            ));
        }
        lines
    }

    /// The item of that number, else the only one of exactly that name, whatever its capitals.
    pub fn chosen(&self, answer: &str) -> Option<usize> {
        let is_number = |item: &Item| answer.parse() == Ok(item.number);
        if let Some(at) = self.0.iter().position(is_number) {
            return Some(at);
        }
        let wanted = answer.to_lowercase();
        let is_it = |at: &usize| self.0[*at].name.trim().to_lowercase() == wanted;
        let mut found = (0..self.0.len()).filter(is_it);
        found.next().filter(|_| found.next().is_none())
    }

    /// Those that have it in their name.
    pub fn alike(&self, answer: &str) -> Vec<usize> {
        let wanted = answer.to_lowercase();
        let has = |at: &usize| self.0[*at].name.to_lowercase().contains(&wanted);
        (0..self.0.len()).filter(has).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut_and_says_how_it_becomes_shorter() {
        let item = |number: usize| Item {
            number: i64::try_from(number).unwrap(),
            name: format!("Client {number}"),
            note: String::new(),
        };
        let items: Vec<Item> = (1..=3000).map(item).collect();
        let listing = Listing(&items);
        let lines = listing.lines(&(0..3000).collect::<Vec<_>>());
        assert_eq!(lines.len(), 21);
        assert_eq!(
            (lines[0].as_str(), lines[20].as_str()),
            (
                "    1  Client 1",
                "       … and 2980 more; a part of the name shortens the list"
            )
        );
        assert_eq!(listing.alike("CLIENT 299").len(), 11);
    }

    #[test]
    fn two_of_one_name_are_told_apart_by_their_numbers() {
        let items = [12, 14].map(|number| Item {
            number,
            name: "Acme".to_owned(),
            note: "Leeds".to_owned(),
        });
        let listing = Listing(&items);
        assert_eq!((listing.chosen("acme"), listing.chosen("14")), (None, Some(1)));
        assert_eq!(listing.lines(&listing.alike("acme"))[1], "   14  Acme  Leeds");
    }
}
