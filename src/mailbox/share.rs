//! The memory that fetched messages may take.

use tokio::sync::OwnedSemaphorePermit;

/// A share of the memory, given back when it is dropped.
#[derive(Debug, Default)]
pub struct Share(Option<OwnedSemaphorePermit>);

/// KiB that so many octets take.
pub fn kib(octets: usize) -> u32 {
    u32::try_from(octets / 1024 + 1).unwrap_or(u32::MAX)
}

impl Share {
    /// Takes so much out of it as so many octets need, or what there is.
    pub fn split(&mut self, octets: usize) -> Share {
        let part = self.0.as_mut().and_then(|held| {
            let wanted = usize::try_from(kib(octets)).unwrap_or(usize::MAX);
            held.split(wanted.min(held.num_permits()))
        });
        Share(part)
    }

    #[cfg(test)]
    pub fn kib(&self) -> usize {
        self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }
}

impl From<OwnedSemaphorePermit> for Share {
    fn from(permit: OwnedSemaphorePermit) -> Share {
        Share(Some(permit))
    }
}
