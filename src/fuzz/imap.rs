//! An IMAP server that says just these octets: whatever they are, the session ends with what was asked for or with an
//! error, in bounded memory, and no message comes that is larger than was listed.

use std::{sync::LazyLock, time::Duration};

use tokio::{runtime::Runtime, sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{ImapConfig, Settle, SignIn, Tls},
    journal::Spot,
    mailbox::{
        Batch, Listed, Mailbox, MailboxError, Range,
        imap::{Imap, Patience},
    },
    secret::{Secret, SecretString},
};

const SECRET: &str = "geheim-4711-niemand";
/// Octets that a server may add to what it listed, before it is an error.
const TOLERATED: u64 = 1 << 20;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_time()
        .build()
        .expect("a runtime without I/O can be made")
});

pub(super) fn check(octets: &[u8]) {
    if let Err(error) = RUNTIME.block_on(session(octets)) {
        let text = error.to_string();
        assert!(
            !text.contains(SECRET) && !format!("{error:?}").contains(SECRET),
            "{text}"
        );
        assert!(
            text.len() <= octets.len() * 4 + 500,
            "{} octets of {}: {text}",
            text.len(),
            octets.len()
        );
    }
}

/// All that the daemon asks of a mailbox, in its order.
async fn session(octets: &[u8]) -> Result<(), MailboxError> {
    let config = ImapConfig {
        host: "imap.example".to_owned(),
        port: 993,
        tls: Tls::Implicit,
        ca_file: None,
        username: "support@desk.example".to_owned(),
        mailbox: None,
        sign_in: SignIn::Password(Secret::Literal(SecretString::from(SECRET.to_owned()))),
        folder: "INBOX".to_owned(),
    };
    let patience = Patience {
        connect: Duration::from_secs(5),
        command: Duration::from_secs(5),
    };
    let mut mailbox = Imap::over(octets, &config, patience).await?;
    let selected = mailbox.select().await?;
    assert!(selected.validity > 0);
    let listed = mailbox.list(Range::Everything).await?;
    assert!(
        listed.len() <= octets.len(),
        "{} messages of {} octets",
        listed.len(),
        octets.len()
    );
    fetch(&mut mailbox, &listed, octets.len()).await?;
    let spots: Vec<Spot> = listed.iter().take(5).map(|one| one.spot.clone()).collect();
    let settlings = mailbox.settle(&spots, &Settle::MoveTo("Done".to_owned())).await?;
    assert_eq!(settlings.len(), spots.len());
    let stop = CancellationToken::new();
    mailbox
        .wait(true, Instant::now() + Duration::from_millis(1), &stop)
        .await?;
    Ok(())
}

async fn fetch(mailbox: &mut Imap, listed: &[Listed], octets: usize) -> Result<(), MailboxError> {
    let wanted = &listed[..listed.len().min(5)];
    let (sender, mut fetched) = mpsc::channel(64);
    let result = mailbox.fetch(Batch::just(wanted), false, sender).await;
    while let Ok((message, _)) = fetched.try_recv() {
        let of = wanted.iter().find(|one| one.spot == message.spot);
        let of = of.expect("only what was asked for comes");
        let size = u64::try_from(message.octets.len()).unwrap_or(u64::MAX);
        assert!(message.octets.len() <= octets);
        assert!(size <= of.size.max(message.size).saturating_add(TOLERATED));
    }
    result.map(|_| ())
}
