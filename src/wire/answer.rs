//! Replies to and from their messages: tables, series and complaints.
//! How a column's numbers are to be read goes by name; the names of its flags are found again in the catalogue.

use std::time::Duration;

use bytes::Bytes;

use super::{DecodeError, cells, cells::Packed, limit, proto, proto::Content};
use crate::model::{
    MetricId, Time, Unit,
    metric::{Direction, Kind},
    question::{Answer, Complaint, Reply},
    series::{Line, Series},
    state::{Census, Scheduler},
    table::{Column, Table},
};

impl From<Reply> for proto::Answer {
    fn from(reply: Reply) -> Self {
        let content = match reply.answer {
            Ok(Answer::Table(table)) => Content::Table(table.into()),
            Ok(Answer::Series(series)) => Content::Series(series.into()),
            Err(Complaint { message, at, len }) => {
                Content::Complaint(proto::Complaint { message, at: at as u64, len: len as u64 })
            }
        };
        proto::Answer { slot: reply.slot, query: reply.query, content: Some(content) }
    }
}

impl TryFrom<proto::Answer> for Reply {
    type Error = DecodeError;

    fn try_from(reply: proto::Answer) -> Result<Self, DecodeError> {
        let answer = match reply.content {
            Some(Content::Table(table)) => Ok(Answer::Table(table.try_into()?)),
            Some(Content::Series(series)) => Ok(Answer::Series(series.try_into()?)),
            Some(Content::Complaint(complaint)) => Err(Complaint {
                message: limit::shown(complaint.message, limit::LINE),
                at: usize::try_from(complaint.at).unwrap_or(usize::MAX),
                len: usize::try_from(complaint.len).unwrap_or(0),
            }),
            None => Err(Complaint {
                message: "the hub answered in a way that only a newer supertop understands".into(),
                ..Complaint::default()
            }),
        };
        Ok(Reply { slot: reply.slot, query: reply.query, answer })
    }
}

impl From<Table> for proto::Table {
    fn from(table: Table) -> Self {
        let mut rows = Vec::with_capacity(table.rows.len() * (16 + 4 * table.columns.len()));
        for row in &table.rows {
            cells::put_row(&mut rows, row);
        }
        proto::Table {
            query: table.query,
            time: table.time.as_millis(),
            total: table.total,
            stale: table.stale,
            offset: table.offset,
            columns: table.columns.into_iter().map(proto::Column::from).collect(),
            row_count: table.rows.len() as u64,
            rows: Bytes::from(rows),
            census: Some(table.census.into()),
        }
    }
}

impl TryFrom<proto::Table> for Table {
    type Error = DecodeError;

    fn try_from(table: proto::Table) -> Result<Self, DecodeError> {
        let rows = Packed(&table.rows).rows(table.row_count, table.columns.len());
        Ok(Table {
            query: limit::shown(table.query, limit::QUERY),
            time: Time::from_millis(table.time),
            total: table.total,
            stale: table.stale,
            offset: table.offset,
            columns: table.columns.into_iter().map(Column::from).collect(),
            rows: rows.ok_or(DecodeError::Value("rows of an answer"))?,
            census: table.census.unwrap_or_default().into(),
        })
    }
}

impl From<Series> for proto::Series {
    fn from(series: Series) -> Self {
        proto::Series {
            query: series.query,
            time: series.time.as_millis(),
            start: series.start.as_millis(),
            step_ms: u64::try_from(series.step.as_millis()).unwrap_or(u64::MAX),
            total: series.total,
            lines: series.lines.into_iter().map(proto::Line::from).collect(),
            census: Some(series.census.into()),
        }
    }
}

impl TryFrom<proto::Series> for Series {
    type Error = DecodeError;

    fn try_from(series: proto::Series) -> Result<Self, DecodeError> {
        Ok(Series {
            query: limit::shown(series.query, limit::QUERY),
            time: Time::from_millis(series.time),
            start: Time::from_millis(series.start),
            step: Duration::from_millis(series.step_ms),
            total: series.total,
            lines: series.lines.into_iter().map(Line::try_from).collect::<Result<_, _>>()?,
            census: series.census.unwrap_or_default().into(),
        })
    }
}

impl From<Line> for proto::Line {
    fn from(line: Line) -> Self {
        let mut values = Vec::with_capacity(4 * line.values.len() + 4);
        cells::put_values(&mut values, &line.values);
        proto::Line { id: line.id, column: Some(line.column.into()), values: Bytes::from(values) }
    }
}

impl TryFrom<proto::Line> for Line {
    type Error = DecodeError;

    fn try_from(line: proto::Line) -> Result<Self, DecodeError> {
        Ok(Line {
            id: limit::shown(line.id, limit::LINE),
            column: line.column.unwrap_or_default().into(),
            values: Packed(&line.values).values().ok_or(DecodeError::Value("values of a line"))?,
        })
    }
}

impl From<Column> for proto::Column {
    fn from(column: Column) -> Self {
        proto::Column {
            key: column.key,
            title: column.title,
            width: column.width.into(),
            unit: column.unit.map(|unit| unit.symbol().to_owned()),
            kind: match column.kind {
                None => 0,
                Some(Kind::Gauge) => 1,
                Some(Kind::Counter) => 2,
                Some(Kind::Flags(_)) => 3,
                Some(Kind::Choice(_)) => 4,
                Some(Kind::Code) => 5,
            },
            direction: match column.direction {
                Direction::Neutral => 0,
                Direction::HighIsBad => 1,
                Direction::LowIsBad => 2,
            },
        }
    }
}

impl From<proto::Column> for Column {
    fn from(column: proto::Column) -> Self {
        let builtin = || MetricId::find(&column.key).and_then(MetricId::builtin).map(|metric| metric.kind);
        let kind = match column.kind {
            0 => None,
            2 => Some(Kind::Counter),
            // Only the catalogue has the names; those of a metric that this build lacks are sent as text.
            3 | 4 => Some(builtin().unwrap_or(Kind::Gauge)),
            5 => Some(Kind::Code),
            _ => Some(Kind::Gauge),
        };
        Column {
            kind,
            key: limit::shown(column.key, limit::LINE),
            title: limit::shown(column.title, limit::SHORT),
            width: u8::try_from(column.width).unwrap_or(u8::MAX),
            unit: column.unit.map(|symbol| Unit::from_symbol(&symbol).unwrap_or(Unit::One)),
            direction: match column.direction {
                1 => Direction::HighIsBad,
                2 => Direction::LowIsBad,
                _ => Direction::Neutral,
            },
        }
    }
}

impl From<Census> for proto::Census {
    fn from(census: Census) -> Self {
        let Census { up, stale, down, missing, gpus, history, drops, scheduler } = census;
        let drops = drops.into_iter().map(|(reason, count)| proto::Drop { reason, count }).collect();
        let scheduler = scheduler.map(|Scheduler { name, heard, problem, strangers }| proto::Scheduler {
            name,
            strangers,
            heard: heard.map(Time::as_millis),
            problem,
        });
        proto::Census { up, stale, down, missing, gpus, drops, history: history.map(Time::as_millis), scheduler }
    }
}

impl From<proto::Census> for Census {
    fn from(census: proto::Census) -> Self {
        let proto::Census { up, stale, down, missing, gpus, drops, history, scheduler } = census;
        let drops = drops.into_iter().map(|d| (limit::shown(d.reason, limit::LINE), d.count)).collect();
        let scheduler = scheduler.map(|proto::Scheduler { name, heard, problem, strangers }| Scheduler {
            strangers: limit::shown(strangers, limit::LINE),
            name: limit::shown(name, limit::LINE),
            heard: heard.map(Time::from_millis),
            problem: limit::shown(problem, limit::LINE),
        });
        Census { up, stale, down, missing, gpus, history: history.map(Time::from_millis), drops, scheduler }
    }
}
