//! A page as a whole: its head, its way around, and its one style sheet.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};

use crate::http::access::Caller;

/// Where a page stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    Overview,
    Log,
    Rules,
    /// One message, a form, or a refusal.
    None,
}

/// A page.
pub struct Sheet<'a> {
    pub title: &'a str,
    pub tab: Tab,
    /// Whoever reads it; `None`: nobody who may read anything else.
    pub caller: Option<&'a Caller>,
    /// The browser asks for it again after so many seconds.
    pub again: Option<u32>,
}

impl<'a> Sheet<'a> {
    /// A page that stands still.
    pub fn new(title: &'a str, tab: Tab, caller: &'a Caller) -> Sheet<'a> {
        Sheet {
            title,
            tab,
            caller: Some(caller),
            again: None,
        }
    }

    /// The page around this.
    pub fn around(&self, content: &Markup) -> Response {
        self.with_status(StatusCode::OK, content)
    }

    /// The same with another status.
    pub fn with_status(&self, status: StatusCode, content: &Markup) -> Response {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    // With no-referrer, which every answer says, a browser would hide from us where our own forms come
                    // from; to others this says as little.
                    meta name="referrer" content="same-origin";
                    @if let Some(seconds) = self.again {
                        meta http-equiv="refresh" content=(seconds);
                    }
                    title { (self.title) " · halo-intake" }
                    // An empty one, for which no browser asks.
                    link rel="icon" href="data:,";
                    link rel="stylesheet" href="/page.css";
                }
                body {
                    a .skip href="#main" { "Skip to the content" }
                    (self.way_around())
                    main #main tabindex="-1" { (content) }
                }
            }
        };
        let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
        (status, kind, page.into_string()).into_response()
    }

    fn way_around(&self) -> Markup {
        let tabs = [
            (Tab::Overview, "/", "Overview"),
            (Tab::Log, "/log", "Log"),
            (Tab::Rules, "/rules", "Rules"),
        ];
        html! {
            header {
                span .name { "halo-intake" }
                @if let Some(caller) = self.caller {
                    nav aria-label="Pages" {
                        @for (tab, path, name) in tabs {
                            a href=(path) aria-current=[(tab == self.tab).then_some("page")] { (name) }
                        }
                    }
                    @if let Caller::Session { proof } = caller {
                        form .sign-out method="post" action="/sign-out" {
                            input type="hidden" name="proof" value=(proof);
                            button .plain { "Sign out" }
                        }
                    }
                }
            }
        }
    }
}

/// The style sheet.
pub async fn style() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    (kind, include_str!("page.css")).into_response()
}
