//! A connection that has let several requests in a row wait in vain is silent: until it answers one at a time tries
//! it, and whoever else comes is told so at once. Else all places would be taken by those who wait.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// So many in a row.
const SILENT_AFTER: u32 = 3;

/// Whether the connection answers.
#[derive(Debug)]
pub(super) struct Circuit {
    state: Mutex<State>,
    /// Whoever heard nothing for so long waited in vain.
    late: Duration,
}

#[derive(Debug, Default)]
struct State {
    waited_in_vain: u32,
    is_probed: bool,
}

/// The right to send a request.
#[derive(Debug)]
pub(super) struct Passage<'a> {
    circuit: &'a Circuit,
    is_probe: bool,
}

impl Circuit {
    /// One that answers.
    pub(super) fn new(late: Duration) -> Circuit {
        Circuit {
            state: Mutex::default(),
            late,
        }
    }

    /// `None` where the connection is silent, and somebody tries it just now.
    pub(super) fn enter(&self) -> Option<Passage<'_>> {
        let mut state = self.state();
        let is_probe = state.waited_in_vain >= SILENT_AFTER;
        if is_probe && state.is_probed {
            return None;
        }
        state.is_probed = is_probe;
        Some(Passage {
            circuit: self,
            is_probe,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Passage<'_> {
    /// It was answered, however, or lost after this time.
    pub(super) fn ends(self, is_answered: bool, took: Duration) {
        let mut state = self.circuit.state();
        if is_answered {
            state.waited_in_vain = 0;
        } else if took >= self.circuit.late {
            state.waited_in_vain = state.waited_in_vain.saturating_add(1);
        }
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            self.circuit.state().is_probed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATE: Duration = Duration::from_secs(5);

    fn silent() -> Circuit {
        let circuit = Circuit::new(LATE);
        let waiting: Vec<_> = (0..3).map(|_| circuit.enter().unwrap()).collect();
        waiting.into_iter().for_each(|passage| passage.ends(false, LATE));
        circuit
    }

    #[test]
    fn a_silent_connection_is_tried_by_one_at_a_time_until_it_answers() {
        let circuit = silent();
        let probe = circuit.enter().unwrap();
        assert!(circuit.enter().is_none());
        probe.ends(false, LATE);
        let probe = circuit.enter().unwrap();
        assert!(circuit.enter().is_none());
        probe.ends(true, LATE);
        let both = (circuit.enter(), circuit.enter());
        assert!(both.0.is_some() && both.1.is_some());
    }

    #[test]
    fn a_probe_that_is_broken_off_leaves_its_turn_to_another() {
        let circuit = silent();
        drop(circuit.enter().unwrap());
        assert!(circuit.enter().is_some());
    }

    #[test]
    fn what_is_lost_at_once_holds_nobody_up_and_is_no_silence() {
        let circuit = Circuit::new(LATE);
        (0..9).for_each(|_| circuit.enter().unwrap().ends(false, Duration::from_millis(1)));
        let both = (circuit.enter(), circuit.enter());
        assert!(both.0.is_some() && both.1.is_some());
    }
}
