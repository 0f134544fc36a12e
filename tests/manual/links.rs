//! Every link of the manual leads somewhere.

use crate::{pages, path, text};

#[test]
fn every_link_and_every_anchor_is_there() {
    let mut dead = Vec::new();
    let mut seen = 0;
    for page in pages() {
        for link in links(&text(&page)) {
            seen += 1;
            if !leads(&page, &link) {
                dead.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(seen > 50, "only {seen} links were found");
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn every_page_is_in_the_index() {
    let readme = text("README.md");
    let lost: Vec<String> = pages()
        .into_iter()
        .filter(|page| page != "README.md" && !readme.contains(&format!("]({page}")))
        .collect();
    assert!(lost.is_empty(), "README.md leads to none of {lost:?}");
}

/// Where a page leads, but for what is on the web; an indented block shows text.
fn links(page: &str) -> Vec<String> {
    let prose = page.lines().filter(|line| !line.starts_with("    "));
    let targets = prose.flat_map(|line| line.split("](").skip(1));
    targets
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target.to_owned()))
        .filter(|target| !target.contains("://"))
        .collect()
}

fn leads(page: &str, link: &str) -> bool {
    let (file, anchor) = link
        .split_once('#')
        .map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    let target = match file {
        "" => page.to_owned(),
        file => format!("{folder}/{file}").trim_start_matches('/').to_owned(),
    };
    match anchor {
        None => path(&target).exists(),
        Some(anchor) => text(&target).lines().filter_map(heading).any(|found| found == anchor),
    }
}

/// The anchor of a heading, as web pages of repositories make it.
fn heading(line: &str) -> Option<String> {
    let title = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?;
    let kept = title.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    Some(kept.map(|c| if c == ' ' { '-' } else { c }).collect())
}
