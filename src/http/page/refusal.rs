//! What is not to be had is a page, too: one sentence, and a way on.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use maud::html;

use super::{
    sheet::{Sheet, Tab},
    words,
};
use crate::{http::access::Refused, journal::JournalError};

/// Why there is no answer.
pub struct Refusal {
    status: StatusCode,
    title: &'static str,
    sentence: String,
    /// Where to go on.
    on: (String, &'static str),
}

const HOME: (&str, &str) = ("/", "To the overview");

impl Refusal {
    fn new(status: StatusCode, title: &'static str, sentence: impl Into<String>) -> Refusal {
        Refusal {
            status,
            title,
            sentence: sentence.into(),
            on: (HOME.0.to_owned(), HOME.1),
        }
    }

    /// With another way on.
    pub fn on(mut self, path: impl Into<String>, name: &'static str) -> Refusal {
        self.on = (path.into(), name);
        self
    }

    pub fn not_found(sentence: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, "Not there", sentence)
    }

    pub fn no_message(id: &str) -> Refusal {
        let id = words::line(words::cut(id, 40).0);
        Refusal::not_found(format!("The journal has no message {id}.")).on("/log", "To the log")
    }

    pub fn method() -> Refusal {
        Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "Not done here",
            "A page is read by GET, a form is sent by POST.",
        )
    }

    pub fn forbidden(sentence: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::FORBIDDEN, "Not allowed", sentence)
    }

    /// The message is not in a state in which that could be done.
    pub fn not_now(sentence: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::CONFLICT, "Not now", sentence)
    }

    pub fn too_long() -> Refusal {
        Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Too long",
            "No form of this page is that long.",
        )
    }

    pub fn busy() -> Refusal {
        let sentence = "Others are looking into the journal just now; try it again in a moment.";
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "Busy", sentence)
    }

    pub fn broken() -> Refusal {
        let sentence = "That could not be shown by a fault of the program; its log says more.";
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "Broken", sentence)
    }

    pub fn journal(error: &JournalError) -> Refusal {
        tracing::error!("the page: {error}");
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "No journal", format!("{error}."))
    }

    /// Why a token is of no use.
    pub fn of_token(refused: &Refused) -> Refusal {
        match refused {
            Refused::Unusable(reason) => {
                let sentence = format!("The token of [http] can not be used: {reason}.");
                Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "No token", sentence)
            }
            Refused::TooOften => {
                let sentence = "That is another token, and there were too many wrong ones.";
                Refusal::new(StatusCode::TOO_MANY_REQUESTS, "Too often", sentence).on("/sign-in", "Sign in")
            }
            Refused::SignIn | Refused::Wrong => Refusal::forbidden("That is another token.").on("/sign-in", "Sign in"),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let sheet = Sheet {
            title: self.title,
            tab: Tab::None,
            caller: None,
            again: None,
        };
        let (path, name) = &self.on;
        let content = html! {
            h1 { (self.title) }
            p { (self.sentence) }
            p { a href=(path) { (name) } }
        };
        let mut response = sheet.with_status(self.status, &content);
        let headers = response.headers_mut();
        match self.status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
            }
            _ => {}
        }
        response
    }
}

/// It is asked for by a name that is none of ours.
pub fn unknown_host(name: &str) -> Response {
    let name = words::line(words::cut(name, 100).0);
    let sentence = format!(
        "This page does not go by the name {name:?}. Whoever runs it adds the name to hosts in [http], or asks for it by \
         its address."
    );
    Refusal::forbidden(sentence).into_response()
}

/// It is asked for in a way that no page knows.
pub fn method() -> Response {
    Refusal::method().into_response()
}

/// It took longer than anybody waits. What a form asks for is not broken off.
pub fn too_slow(is_form: bool) -> Response {
    let sentence = if is_form {
        "That takes too long to be waited for, and may be done all the same; open the page again to see whether it was."
    } else {
        "That took too long, so it was broken off; ask for less, a shorter time or a mailbox for one."
    };
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "Too slow", sentence).into_response()
}
