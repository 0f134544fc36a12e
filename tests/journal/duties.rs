//! One process that has its journal alone: it has every duty, from its first beat on.

use std::collections::BTreeSet;

use halo_intake::journal::{Receipt, node::{Duty, NodeState}};

use super::world;
use crate::world::{positioned, support};

fn all() -> BTreeSet<Duty> {
    [Duty::Mailbox(support()), Duty::Outbox].into()
}

#[tokio::test]
async fn one_node_has_all_duties_at_its_first_beat_and_what_an_earlier_one_tells_changes_nothing() {
    let world = world();
    assert!(!world.journal.is_shared());
    let first = world.journal.beat(all(), BTreeSet::new()).await.unwrap();
    let duties: BTreeSet<Duty> = first.leases.iter().map(|lease| lease.duty.clone()).collect();
    assert_eq!((duties, first.hand_over.len(), first.others), (all(), 0, 0));
    let of_the_mailbox = first.leases.iter().find(|lease| lease.duty != Duty::Outbox).unwrap();
    world.done(positioned(5).under(of_the_mailbox)).await;
    let again = world.journal.beat(all(), all()).await.unwrap();
    assert_eq!((again.node, &again.leases), (first.node, &first.leases));

    let world = world.restarted();
    assert!(matches!(world.write(positioned(9).under(of_the_mailbox)).await, Receipt::Stale));
    let after = world.journal.beat(all(), BTreeSet::new()).await.unwrap();
    assert_ne!(after.node, first.node);
    for (lease, before) in after.leases.iter().zip(&first.leases) {
        assert_eq!((&lease.duty, lease.token), (&before.duty, before.token + 1));
    }
    let shown = world.journal.nodes().await.unwrap();
    let states: Vec<_> = shown.nodes.iter().map(|node| (node.node, node.state, node.duties.len())).collect();
    let expected = [(after.node, NodeState::Alive, 2), (first.node, NodeState::Lost, 0)];
    assert_eq!((states.as_slice(), shown.open.len()), (&expected[..], 0));
}
