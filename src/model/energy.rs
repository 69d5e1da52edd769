//! Energy: how much was spent on what, and what a site says that it costs. A site that says nothing is told nothing.

use std::ops::AddAssign;

use super::time::Time;

/// Joules in a kilowatt-hour.
pub const KWH: f64 = 3.6e6;

/// What some GPUs spent, and the machines that they are in.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// Joules of GPUs alone.
    pub used: f64,
    /// Joules of the rest of their machines, each GPU's part of it; of machines without a meter this is not known, and 0.
    pub host: f64,
    /// Joules of GPUs that were spent while a job had the GPU and did nothing on it.
    pub idle: f64,
    /// Joules of GPUs that are power times time, for there was no counter to be read.
    pub estimated: f64,
    /// How long GPUs were watched for it, in seconds, all of them together.
    pub gpu_seconds: f64,
}

impl Spent {
    /// So large a part of it.
    pub fn part(self, share: f64) -> Spent {
        let Spent { used, host, idle, estimated, gpu_seconds } = self;
        let [used, host, idle, estimated, gpu_seconds] =
            [used, host, idle, estimated, gpu_seconds].map(|it| it * share);
        Spent { used, host, idle, estimated, gpu_seconds }
    }

    /// All joules of which anything is known.
    pub fn all(self) -> f64 {
        self.used + self.host
    }
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Spent) {
        self.used += other.used;
        self.host += other.host;
        self.idle += other.idle;
        self.estimated += other.estimated;
        self.gpu_seconds += other.gpu_seconds;
    }
}

/// What one job, or anything else that goes on for a while, has spent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bill {
    /// Since it began, as far as it was watched.
    pub spent: Spent,
    /// Joules of the day that began at [`Bill::day`].
    pub today: f64,
    /// The last day on which it spent anything.
    pub day: Time,
    /// What it cost; nothing where no price is known.
    pub cost: Option<f64>,
    /// Kilograms of CO₂ equivalent; nothing where the site does not say.
    pub carbon: Option<f64>,
}

impl Bill {
    /// Adds what was spent at a place in the hour of `at`.
    pub fn add(&mut self, spent: Spent, at: Time, place: &str, tariff: &Tariff) {
        self.spent += spent;
        let day = day(at);
        if day > self.day {
            (self.day, self.today) = (day, 0.0);
        }
        if day == self.day {
            self.today += spent.used;
        }
        let sum =
            |before: Option<f64>, more: Option<f64>| more.map_or(before, |more| Some(before.unwrap_or(0.0) + more));
        self.cost = sum(self.cost, tariff.cost(place, at, spent.all()));
        self.carbon = sum(self.carbon, tariff.carbon(place, at, spent.all()));
    }

    /// Joules of the day of `now`.
    pub fn today(&self, now: Time) -> f64 {
        if self.day == day(now) { self.today } else { 0.0 }
    }
}

/// What energy costs a site, as far as it says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tariff {
    /// Power usage effectiveness: energy that the whole site takes for each joule of its machines.
    pub pue: Option<f64>,
    /// Money for a kilowatt-hour, in the site's currency.
    pub price: Option<Hourly>,
    /// Grams of CO₂ equivalent for a kilowatt-hour.
    pub carbon: Option<Hourly>,
    /// Other prices and carbon of some places of the widest level, by the places' names.
    pub places: Vec<(String, Option<Hourly>, Option<Hourly>)>,
}

impl Tariff {
    /// What so many joules of machines cost, spent at a place in the hour of `at`.
    pub fn cost(&self, place: &str, at: Time, joules: f64) -> Option<f64> {
        let own = self.of(place).and_then(|(_, price, _)| price.as_ref());
        Some(own.or(self.price.as_ref())?.at(at) * self.kilowatt_hours(joules))
    }

    /// Kilograms of CO₂ equivalent of so many joules of machines.
    pub fn carbon(&self, place: &str, at: Time, joules: f64) -> Option<f64> {
        let own = self.of(place).and_then(|(.., carbon)| carbon.as_ref());
        Some(own.or(self.carbon.as_ref())?.at(at) * self.kilowatt_hours(joules) / 1000.0)
    }

    /// Whether anything has a price.
    pub fn has_price(&self) -> bool {
        self.price.is_some() || self.places.iter().any(|(_, price, _)| price.is_some())
    }

    /// Whether the site says of anything what carbon it takes.
    pub fn has_carbon(&self) -> bool {
        self.carbon.is_some() || self.places.iter().any(|(.., carbon)| carbon.is_some())
    }

    fn of(&self, place: &str) -> Option<&(String, Option<Hourly>, Option<Hourly>)> {
        self.places.iter().find(|(name, ..)| name == place)
    }

    fn kilowatt_hours(&self, joules: f64) -> f64 {
        joules / KWH * self.pue.unwrap_or(1.0)
    }
}

/// A rate for each hour of the day, UTC.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hourly(pub [f64; 24]);

impl Hourly {
    /// The same at all hours.
    pub fn flat(rate: f64) -> Hourly {
        Hourly([rate; 24])
    }

    fn at(&self, time: Time) -> f64 {
        self.0[time.as_millis().div_euclid(HOUR).rem_euclid(24) as usize]
    }
}

const HOUR: i64 = 3_600_000;

/// The beginning of the hour in which a time lies, UTC.
pub fn hour(time: Time) -> Time {
    Time::from_millis(time.as_millis().div_euclid(HOUR) * HOUR)
}

/// The beginning of its day, UTC.
pub fn day(time: Time) -> Time {
    Time::from_millis(time.as_millis().div_euclid(24 * HOUR) * 24 * HOUR)
}

/// The hours over which a span of time goes, each with the part of the span that lies in it.
pub fn hours(from: Time, to: Time) -> impl Iterator<Item = (Time, f64)> {
    let (start, end) = (from.as_millis(), to.as_millis().max(from.as_millis() + 1));
    let first = hour(from).as_millis();
    (first..end).step_by(HOUR as usize).map(move |hour| {
        let within = end.min(hour + HOUR) - start.max(hour);
        (Time::from_millis(hour), within as f64 / (end - start) as f64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: f64) -> Time {
        Time::from_millis((hours * HOUR as f64) as i64)
    }

    #[test]
    fn a_span_is_parted_by_hours() {
        let parts: Vec<(Time, f64)> = hours(at(5.5), at(7.25)).collect();
        assert_eq!(parts.iter().map(|(hour, _)| *hour).collect::<Vec<_>>(), [at(5.0), at(6.0), at(7.0)]);
        assert!((parts.iter().map(|(_, part)| part).sum::<f64>() - 1.0).abs() < 1e-9);
        assert!((parts[1].1 - 1.0 / 1.75).abs() < 1e-9);
        assert_eq!(hours(at(5.0), at(5.0)).count(), 1, "no time at all is in its hour");
        assert_eq!(hours(at(5.0), at(6.0)).collect::<Vec<_>>(), [(at(5.0), 1.0)]);
    }

    #[test]
    fn a_site_is_told_what_it_says_and_no_more() {
        let silent = Tariff::default();
        assert_eq!((silent.cost("eu", at(1.0), KWH), silent.carbon("eu", at(1.0), KWH)), (None, None));
        let mut by_hour = [0.10; 24];
        by_hour[18] = 0.40;
        let north = ("north".into(), None, Some(Hourly::flat(20.0)));
        let site = Tariff {
            pue: Some(1.5),
            price: Some(Hourly(by_hour)),
            carbon: Some(Hourly::flat(400.0)),
            places: vec![north],
        };
        let near = |got: Option<f64>, expected: f64| assert!((got.expect("known") - expected).abs() < 1e-9, "{got:?}");
        near(site.cost("south", at(3.0), 2.0 * KWH), 0.30);
        near(site.cost("north", at(24.0 + 18.5), 2.0 * KWH), 1.20);
        near(site.carbon("south", at(3.0), KWH), 0.6);
        near(site.carbon("north", at(3.0), KWH), 0.03);
    }
}
