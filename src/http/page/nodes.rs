//! Of the first page: the nodes that have the journal together, and what nobody does.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::words;
use crate::{
    count::counted,
    journal::{
        Survey,
        node::{Duty, Node, NodeState, Nodes},
    },
    when,
};

/// So many nodes are shown; `nodes` lists all.
const MOST_NODES: usize = 20;
/// So many names of what one does, or nobody.
const MOST_NAMES: usize = 30;

/// Shown where there is more than one, or one was lost; this process is on the machine `here`.
pub fn section(nodes: &Nodes, survey: &Survey, here: &str) -> Markup {
    let lost = nodes.nodes.iter().any(|node| node.state == NodeState::Lost);
    if nodes.alive().count() < 2 && !lost {
        return html! {};
    }
    html! {
        section aria-labelledby="nodes" {
            h2 #nodes { "Nodes" }
            @for node in nodes.nodes.iter().filter(|node| node.state != NodeState::Stopped).take(MOST_NODES) {
                (card(node, nodes, here))
            }
            (unsettled(survey))
        }
    }
}

/// What stands on top, where nobody has taken over in time.
pub fn left(nodes: &Nodes) -> Markup {
    html! {
        @if let Some(so_long) = nodes.left_for() {
            div .card.trouble {
                strong { "Done by nobody for " (when::length(so_long)) }
                p { (listed(&nodes.open)) }
            }
        }
    }
}

fn card(node: &Node, nodes: &Nodes, here: &str) -> Markup {
    let is_alive = node.state == NodeState::Alive;
    let is_this = is_alive && node.host == here && node.pid == std::process::id();
    let tone = if is_alive { "good" } else { "bad" };
    html! {
        div .card {
            div .line {
                h3 { "Node " (node.node) }
                span .chip.(tone) { (node.state.word()) }
                span { (words::line(&node.host)) @if is_this { ", whose page this is" } }
                span .faint { "process " (node.pid) ", version " (words::line(&node.version)) }
                span { "heard of " (words::time(node.seen, nodes.now)) }
            }
            @if is_alive {
                p {
                    @if node.duties.is_empty() { "Stands by" }
                    @else { "Has " (listed(&node.duties)) }
                    @if node.in_hand > 0 { "; " (counted(node.in_hand, "message")) " in hand" }
                }
            }
        }
    }
}

fn unsettled(survey: &Survey) -> Markup {
    let unsettled: u64 = survey.unsettled.values().sum();
    html! {
        @if unsettled > 0 { p { (counted(unsettled, "message")) " to be settled" } }
    }
}

fn listed(duties: &BTreeSet<Duty>) -> String {
    let names = duties.iter().map(|duty| words::line(&duty.to_string()));
    let names: Vec<String> = names.take(MOST_NAMES).collect();
    match duties.len() - names.len() {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}
