//! Where log lines go: text or JSON on standard error, or the systemd journal with its fields.

use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, registry, util::SubscriberInitExt};

use super::{Common, Failure, LogFormat, Status};

impl Common {
    /// Begins to log. Under systemd the journal is the default.
    pub fn begin_logging(&self, default_level: &str) -> Result<(), Failure> {
        let level = self.log_level.as_deref().unwrap_or(default_level);
        let words = ["off", "error", "warn", "info", "debug", "trace"];
        if !words.contains(&level) && !level.contains('=') {
            let text = format!("log level {level:?} is not known; known are {}", words.join(", "));
            return Err(Failure::new(Status::Usage, text));
        }
        // The libraries below speak up at warn unless the operator asks for them by name.
        let directives = if level.contains('=') {
            level.to_owned()
        } else {
            format!("warn,halo_intake={level}")
        };
        let filter = EnvFilter::try_new(directives)
            .map_err(|error| Failure::new(Status::Usage, format!("log level: {error}")))?;
        let under_systemd = std::env::var_os("JOURNAL_STREAM").is_some();
        let format = self.log_format.unwrap_or(if under_systemd {
            LogFormat::Journald
        } else {
            LogFormat::Text
        });
        let layer = match format {
            LogFormat::Journald => tracing_journald::layer()
                .map_err(|error| {
                    Failure::new(
                        Status::Unavailable,
                        format!("the systemd journal can not be reached: {error}; use --log-format text"),
                    )
                })?
                .boxed(),
            LogFormat::Json => tracing_subscriber::fmt::layer()
                .json()
                .flatten_event(true)
                .with_writer(std::io::stderr)
                .boxed(),
            LogFormat::Text => {
                let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
                tracing_subscriber::fmt::layer()
                    .with_target(false)
                    .with_ansi(ansi)
                    .with_writer(std::io::stderr)
                    .boxed()
            }
        };
        // A second call, as in a test, keeps the first.
        let _ = registry().with(layer.with_filter(filter)).try_init();
        Ok(())
    }
}
