//! What is measured: one table of all metrics, and the meters of those that are counted as they happen. What is read
//! anew for each scrape is gathered in `http::metrics`.

use std::{collections::HashMap, fmt, time::Duration};

use prometheus_client::{
    encoding::{
        DescriptorEncoder, EncodeLabel, EncodeLabelSet, EncodeMetric, LabelSetEncoder, MetricEncoder, NoLabelSet,
    },
    metrics::{
        counter::Counter,
        exemplar::HistogramWithExemplars,
        family::{Family, MetricConstructor},
        histogram::Histogram,
    },
};

use crate::{journal::EntryId, pipeline::thing::Thing};

mod table;

pub use table::{Kind, Metric, Row, TABLE, Unit};

/// What may be in trouble: the values of `kind` of `Metric::Troubles`.
pub const KINDS_OF_TROUBLE: [&str; Thing::KINDS.len()] = Thing::KINDS;

/// The name of the label by which an exemplar names its message.
type Exemplar = [(&'static str, i64); 1];
type Counters = Family<Labels, Counter>;
type Histograms = Family<Labels, HistogramWithExemplars<Exemplar>, Buckets>;

/// The meters of what is counted as it happens. A count takes a lock and no other thing's time.
#[derive(Debug)]
pub struct Meters {
    counters: HashMap<Metric, Counters>,
    histograms: HashMap<Metric, Histograms>,
}

impl Default for Meters {
    fn default() -> Meters {
        let histogram = |row: &Row| match row.kind {
            Kind::Histogram(bounds) => Some((row.metric, Family::new_with_constructor(Buckets(bounds)))),
            _ => None,
        };
        let counter = |row: &Row| (row.kind == Kind::Counter).then(|| (row.metric, Counters::default()));
        Meters {
            counters: TABLE.iter().filter_map(counter).collect(),
            histograms: TABLE.iter().filter_map(histogram).collect(),
        }
    }
}

impl Meters {
    /// So many more; 0 makes the counter known before the first.
    pub fn add(&self, metric: Metric, values: &[&str], more: u64) {
        if let Some(counters) = self.counters.get(&metric) {
            counters.get_or_create(&Labels::of(metric, values)).inc_by(more);
        }
    }

    /// Makes a histogram known before its first observation: what it counts grows from 0 then.
    pub fn know(&self, metric: Metric, values: &[&str]) {
        if let Some(histograms) = self.histograms.get(&metric) {
            drop(histograms.get_or_create(&Labels::of(metric, values)));
        }
    }

    /// Something took so long; `id` names a message by which somebody may look at it.
    pub fn observe(&self, metric: Metric, values: &[&str], took: Duration, id: Option<EntryId>) {
        if let Some(histograms) = self.histograms.get(&metric) {
            let histogram = histograms.get_or_create_owned(&Labels::of(metric, values));
            histogram.observe(took.as_secs_f64(), id.map(|id| [("id", id.0)]), None);
        }
    }
}

/// The labels of a counter or histogram.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Labels {
    names: &'static [&'static str],
    values: Vec<String>,
}

impl Labels {
    fn of(metric: Metric, values: &[&str]) -> Labels {
        let names = metric.row().labels;
        debug_assert_eq!(names.len(), values.len(), "{metric:?}");
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Labels { names, values }
    }
}

impl EncodeLabelSet for Labels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        let values = self.values.iter().map(String::as_str);
        encode_labels(self.names, values, encoder)
    }
}

/// The same, borrowed for one sample.
struct Sample<'a> {
    names: &'static [&'static str],
    values: &'a [&'a str],
}

impl EncodeLabelSet for Sample<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        encode_labels(self.names, self.values.iter().copied(), encoder)
    }
}

fn encode_labels<'a>(
    names: &[&str],
    values: impl Iterator<Item = &'a str>,
    encoder: &mut LabelSetEncoder<'_>,
) -> fmt::Result {
    let mut labels = names.iter().copied().zip(values);
    labels.try_for_each(|label| label.encode(encoder.encode_label()))
}

#[derive(Debug, Clone)]
struct Buckets(&'static [f64]);

impl MetricConstructor<HistogramWithExemplars<Exemplar>> for Buckets {
    fn new_metric(&self) -> HistogramWithExemplars<Exemplar> {
        HistogramWithExemplars::new(self.0.iter().copied())
    }
}

/// A histogram of this metric that stands alone.
pub fn histogram(metric: Metric) -> Histogram {
    match metric.row().kind {
        Kind::Histogram(bounds) => Histogram::new(bounds.iter().copied()),
        kind => unreachable!("{metric:?} is a {}", kind.word()),
    }
}

/// Writes the metrics of one scrape, each with its help, in the order of the table; `read` writes the samples of one.
pub fn encode(
    encoder: &mut DescriptorEncoder<'_>,
    meters: &Meters,
    mut read: impl FnMut(Metric, Samples<'_>) -> fmt::Result,
) -> fmt::Result {
    for row in TABLE {
        let (unit, kind) = (row.unit.of_the_format(), row.kind.of_the_format());
        let encoder = encoder.encode_descriptor(row.stem(), row.help, unit.as_ref(), kind)?;
        let (metric, samples) = (row.metric, Samples { row, meters, encoder });
        read(metric, samples)?;
    }
    Ok(())
}

/// Where the samples of one metric are written to.
pub struct Samples<'a> {
    row: &'static Row,
    meters: &'a Meters,
    encoder: MetricEncoder<'a>,
}

impl Samples<'_> {
    /// One of them.
    #[allow(clippy::cast_precision_loss, reason = "the format knows floating point alone")]
    pub fn one(&mut self, values: &[&str], value: u64) -> fmt::Result {
        self.number(values, value as f64)
    }

    /// A truth, as 1 or 0.
    pub fn truth(&mut self, values: &[&str], is_so: bool) -> fmt::Result {
        self.one(values, u64::from(is_so))
    }

    /// A time.
    pub fn time(&mut self, values: &[&str], time: Duration) -> fmt::Result {
        self.number(values, time.as_secs_f64())
    }

    /// Any number.
    pub fn number(&mut self, values: &[&str], value: f64) -> fmt::Result {
        let names = self.row.labels;
        debug_assert_eq!(names.len(), values.len(), "{:?}", self.row.metric);
        let labels = Sample { names, values };
        match self.row.kind {
            Kind::Counter => {
                let mut encoder = self.encoder.encode_family(&labels)?;
                encoder.encode_counter::<NoLabelSet, _, f64>(&value, None)
            }
            Kind::Info => self.encoder.encode_info(&labels),
            Kind::Gauge | Kind::Histogram(_) => self.encoder.encode_family(&labels)?.encode_gauge(&value),
        }
    }

    /// A histogram that stands alone.
    pub fn histogram(&mut self, histogram: &Histogram) -> fmt::Result {
        let (names, values) = (self.row.labels, [].as_slice());
        histogram.encode(self.encoder.encode_family(&Sample { names, values })?)
    }

    /// What the meters have counted.
    pub fn counted(self) -> fmt::Result {
        let metric = self.row.metric;
        if let Some(counters) = self.meters.counters.get(&metric) {
            counters.encode(self.encoder)
        } else if let Some(histograms) = self.meters.histograms.get(&metric) {
            histograms.encode(self.encoder)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::{collector::Collector, encoding::text, registry::Registry};

    use super::*;

    #[derive(Debug)]
    struct Counted(Meters);

    impl Collector for Counted {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
            encode(&mut encoder, &self.0, |metric, mut samples| match metric {
                Metric::MessagesSeen => samples.one(&["support"], 3),
                Metric::Build => samples.one(&["1.2.3"], 1),
                _ => samples.counted(),
            })
        }
    }

    /// The lines of this metric.
    fn lines(meters: Meters, start: &str) -> Vec<String> {
        let (mut registry, mut text) = (Registry::default(), String::new());
        registry.register_collector(Box::new(Counted(meters)));
        text::encode(&mut text, &registry).unwrap();
        let of = text.lines().filter(|line| line.starts_with(start));
        of.map(str::to_owned).collect()
    }

    #[test]
    fn a_counter_is_known_before_the_first() {
        let meters = Meters::default();
        meters.add(Metric::Letters, &["webhook", "refused"], 0);
        assert_eq!(
            lines(meters, "halo_intake_letters"),
            ["halo_intake_letters_total{way=\"webhook\",result=\"refused\"} 0"]
        );
    }

    #[test]
    fn an_observation_names_its_message_and_a_name_can_not_break_out_of_its_label() {
        let meters = Meters::default();
        meters.observe(
            Metric::Attempts,
            &["a\"b\nc"],
            Duration::from_secs(400),
            Some(EntryId(17)),
        );
        let lines = lines(meters, "halo_intake_attempt");
        let last =
            "halo_intake_attempt_duration_seconds_bucket{le=\"+Inf\",result=\"a\\\"b\\nc\"} 1 # {id=\"17\"} 400.0";
        assert_eq!(lines.last().unwrap(), last);
    }

    #[test]
    fn what_is_read_is_written_with_unit_and_suffix() {
        let of = |start| lines(Meters::default(), start);
        assert_eq!(
            of("halo_intake_messages_seen"),
            ["halo_intake_messages_seen_total{mailbox=\"support\"} 3.0"]
        );
        assert_eq!(of("halo_intake_build"), ["halo_intake_build_info{version=\"1.2.3\"} 1"]);
    }
}
