//! The refresh token grant (RFC 6749, 6): what the provider gives in place of the refresh token is on disk before
//! the new token is used.

use std::path::Path;

use super::{OAuthError, Token, exchange, kept};
use crate::{
    class::Class,
    clock::Clock,
    config::OAuthConfig,
    oauth::{Kept, exchange::Form},
    secret::ExposeSecret,
};

/// Asks for a token with the refresh token that holds now. `unkept` is the one that the disk did not take before.
pub(super) async fn refresh(
    state_dir: &Path,
    clock: &Clock,
    config: &OAuthConfig,
    unkept: &mut Option<Kept>,
) -> Result<Token, OAuthError> {
    // Two processes must not use the same one: some providers take its second use for a theft.
    let turn = kept::Turn::take(state_dir, config).await?;
    let now = clock.now();
    let before = match unkept.take() {
        Some(unkept) => unkept,
        None => Kept::current(state_dir, config, now)?,
    };
    let form = Form::of("refresh_token")
        .with_client(config)?
        .with_secret("refresh_token", &before.refresh_token)
        .with("scope", &config.scope);
    let granted = match exchange::token(config, &form).await {
        Ok(granted) => granted,
        Err(error) => {
            // One that is refused gives way to that of the file, which somebody may have replaced meanwhile.
            let stays = before.is_unkept && error.class() == Class::Transient;
            *unkept = stays.then_some(before);
            return Err(error);
        }
    };
    let rotated = granted
        .refresh_token
        .filter(|given| given.expose_secret() != before.refresh_token.expose_secret());
    if rotated.is_none() && !before.is_unkept {
        return Ok(granted.token);
    }
    let mut kept = before.rotated(rotated, now);
    if let Err(error) = turn.keep(&kept) {
        tracing::error!(
            login = config.login,
            "{}: the refresh token is kept in memory alone, so a restart needs halo-intake signin: {error}",
            config.login
        );
        kept.is_unkept = true;
        *unkept = Some(kept);
    }
    Ok(granted.token)
}
