//! AUTH (RFC 4954): with a password by PLAIN or LOGIN, with a token by XOAUTH2 or OAUTHBEARER.

use base64::{Engine, engine::general_purpose::STANDARD};
use lettre::transport::smtp::{
    authentication::{self, Credentials},
    client::AsyncSmtpConnection,
};

use super::{Smtp, SmtpError, Step};
use crate::{
    clock::moment,
    config::{OAuthConfig, SignIn},
    oauth::{Mechanism, Protocol, Token, advice},
    secret::{ExposeSecret, Secret},
};

impl Smtp {
    /// Signs in on a connection that was greeted.
    pub(super) async fn sign_in(
        &self,
        connection: &mut AsyncSmtpConnection,
        name: &str,
        sign_in: &SignIn,
    ) -> Result<(), SmtpError> {
        match sign_in {
            SignIn::Password(secret) => self.by_password(connection, name, secret).await,
            SignIn::OAuth(oauth) => self.by_token(connection, name, oauth).await,
        }
    }

    async fn by_password(
        &self,
        connection: &mut AsyncSmtpConnection,
        name: &str,
        secret: &Secret,
    ) -> Result<(), SmtpError> {
        use authentication::Mechanism::{Login, Plain};
        let credentials = Credentials::new(name.to_owned(), secret.open()?.expose_secret().to_owned());
        if connection.server_info().get_auth_mechanism(&[Plain, Login]).is_none() {
            return Err(SmtpError::NoMechanism { server: self.server() });
        }
        let mechanisms = [Plain, Login];
        let signing_in = connection.auth(&mechanisms, &credentials);
        self.within(&Step::SignIn(name.to_owned()), self.config.timeout, signing_in)
            .await?;
        Ok(())
    }

    /// A token that was good for earlier sign-ins and is refused now is replaced once.
    async fn by_token(
        &self,
        connection: &mut AsyncSmtpConnection,
        name: &str,
        oauth: &OAuthConfig,
    ) -> Result<(), SmtpError> {
        let began = moment();
        let token = self.sign_ins.token(oauth).await?;
        let mut shown = self.show(connection, name, &token).await;
        if matches!(shown, Err(SmtpError::NotWelcome { .. })) && !token.is_newer_than(began) {
            self.sign_ins.discard(oauth, &token).await;
            let another = self.sign_ins.token(oauth).await?;
            match self.show(connection, name, &another).await {
                // It hangs up after a refusal: that one stands.
                Err(SmtpError::BrokenOff { .. }) => {}
                second => shown = second,
            }
        }
        shown.map_err(|error| with_advice(error, oauth, &token, name))
    }

    async fn show(&self, connection: &mut AsyncSmtpConnection, name: &str, token: &Token) -> Result<(), SmtpError> {
        // The library knows the one by name; whether the other is offered it does not tell.
        let offered = connection
            .server_info()
            .get_auth_mechanism(&[authentication::Mechanism::Xoauth2]);
        let mechanism = offered.map_or(Mechanism::OAuthBearer, |_| Mechanism::XOAuth2);
        let response = mechanism.response(name, &self.config.host, self.config.port, token);
        let command = format!("AUTH {} {}\r\n", mechanism.name(), STANDARD.encode(response));
        let step = Step::Token(name.to_owned());
        let answer = self.command(connection, &step, command).await?;
        if !answer.has_code(334) {
            return Ok(());
        }
        // A refusal with a challenge ends after an answer to it.
        let challenge = mechanism.challenge(answer.first_line().unwrap_or(""));
        let acknowledgement = format!("{}\r\n", mechanism.acknowledgement());
        match self.command(connection, &step, acknowledgement).await {
            Err(SmtpError::NotWelcome {
                server,
                step,
                reply,
                remedy,
            }) => Err(SmtpError::NotWelcome {
                server,
                step,
                reply: format!("{reply}{challenge}"),
                remedy,
            }),
            answered => answered.map(drop),
        }
    }
}

/// What the token shows to be wrong, and the next step.
fn with_advice(error: SmtpError, oauth: &OAuthConfig, token: &Token, name: &str) -> SmtpError {
    match error {
        SmtpError::NotWelcome {
            server, step, reply, ..
        } => {
            let advice = advice(oauth, Some(token), name, Protocol::Smtp);
            SmtpError::NotWelcome {
                server,
                step,
                reply: advice.with_fault(&reply),
                remedy: advice.remedy,
            }
        }
        error => error,
    }
}
