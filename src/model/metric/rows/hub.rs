//! Rows of what the hub works out: jobs, energy, incidents, rules. No agent sends them.

use std::borrow::Cow;

use super::{Aggregate, Direction, Kind, Metric, MetricId, Scope, Unit};

/// Metrics of a scheduler's job.
pub mod job {
    use super::{Aggregate, Cow, Direction, Kind, Metric, MetricId, Scope, Unit};
    use Kind::{Choice, Counter, Gauge};

    /// Names of how far a job has come.
    pub const PHASES: &[&str] = &["running", "waiting", "ended"];

    rows! { Job
        PHASE "job.phase" "PHASE" One 7 / 1.0, Min Neutral Choice(PHASES),
            "Whether the job runs, waits or has ended.", "scheduler, or else its processes";
        RUNNING "job.running" "RUN" One 5 / 1.0, Sum Neutral Gauge,
            "1 for a job that runs; of several jobs, how many run.", "scheduler, or else its processes";
        WAITING "job.waiting" "QUEUE" One 5 / 1.0, Sum Neutral Gauge,
            "1 for a job that waits; of several jobs, how many wait.", "scheduler";
        NODES "job.nodes" "NODES" One 6 / 1.0, Sum Neutral Gauge,
            "Nodes that the job has, or had last.", "scheduler, or else its processes";
        GPUS "job.gpus" "GPUS" One 6 / 1.0, Sum Neutral Gauge,
            "GPUs that the job has, or had last.", "scheduler, or else its processes";
        HELD "job.held" "HELD" One 6 / 1.0, Sum Neutral Gauge,
            "GPUs that the job has now.", "scheduler, or else its processes";
        UNUSED "job.unused" "UNUSED" One 6 / 1.0, Sum HighIsBad Gauge,
            "GPUs that the scheduler gave the job and that none of its processes uses.", "scheduler and processes";
        UNGIVEN "job.ungiven" "UNGIVEN" One 7 / 1.0, Sum HighIsBad Gauge,
            "GPUs that the job's processes use and that the scheduler did not give it.", "scheduler and processes";
        IDLE "job.idle" "IDLE" One 5 / 1.0, Sum HighIsBad Gauge,
            "GPUs that the job has and that do nothing.", "gpu.util below 1 %";
        SILENT "job.silent" "SILENT" One 6 / 1.0, Sum HighIsBad Gauge,
            "Nodes of the job that are not up: its sums are without them.", "the hub, by the nodes' samples";
        OUTLIERS "job.outliers" "OUTL" One 5 / 1.0, Sum HighIsBad Gauge,
            "GPUs of the job whose SM clock is 5 robust standard deviations or more from the middle of all of its GPUs.", "gpu.clock.sm";
        AGE "job.age" "AGE" Seconds 6 / 1.0, Max Neutral Gauge,
            "How long the job has run, or ran.", "scheduler, or else its oldest process";
        WAIT "job.wait" "WAIT" Seconds 6 / 1.0, Max HighIsBad Gauge,
            "How long the job waited, or has waited, for its start.", "scheduler";
        LIMIT "job.limit" "LIMIT" Seconds 6 / 1.0, Max Neutral Gauge,
            "How long the job may run.", "scheduler";
        LEFT "job.left" "LEFT" Seconds 6 / 1.0, Min LowIsBad Gauge,
            "How long the job may go on.", "scheduler";
        ENDED "job.ended" "ENDED" Seconds 6 / 1.0, Min Neutral Gauge,
            "How long ago the job ended.", "scheduler, or else its last process";
        RESTARTS "job.restarts" "RESTARTS" One 8 / 1.0, Sum HighIsBad Counter,
            "How often the job was requeued.", "scheduler";
        ENERGY "job.energy" "ENERGY" Joules 7 / 1.0, Sum Neutral Counter,
            "Energy that the job's GPUs took for it, since the hub first saw it: GPUs only.", "gpu.energy, or else gpu.power × time";
        ENERGY_TODAY "job.energy.today" "TODAY" Joules 7 / 1.0, Sum Neutral Gauge,
            "The part of it that was taken today, UTC.", "gpu.energy, or else gpu.power × time";
        ENERGY_HOUR "job.energy.hour" "HOUR" Joules 7 / 1.0, Sum Neutral Gauge,
            "The part of it that was taken in this hour, UTC; along time, in the hour in which a step begins, for a day.", "gpu.energy, or else gpu.power × time";
        ENERGY_HOST "job.energy.host" "HOSTS" Joules 7 / 1.0, Sum Neutral Counter,
            "Energy that the rest of the job's machines took, where they have a meter, or else their CPUs: each GPU has the same part of its machine's.", "node.total.power, less gpu.power, or else node.cpu.power";
        ENERGY_IDLE "job.energy.idle" "WASTED" Joules 7 / 1.0, Sum HighIsBad Counter,
            "The part of it that GPUs took while the job had them and left them idle.", "gpu.energy and gpu.util";
        ENERGY_ESTIMATED "job.energy.estimated" "ESTIM" Joules 7 / 1.0, Sum Neutral Counter,
            "The part of it that is power times time, for the GPU has no counter of energy or it was reset.", "gpu.power × time";
        COST "job.cost" "COST" One 8 / 0.01, Sum Neutral Counter,
            "What that energy cost, with what is known of the rest of the machines, in the site's currency; unknown without a price, and without a pue what the machines alone cost.", "job.energy, job.energy.host, [energy] price and pue";
        CARBON "job.carbon" "CO2KG" One 8 / 0.01, Sum Neutral Counter,
            "Kilograms of CO₂ equivalent of the same energy; unknown where the site does not say.", "job.energy, job.energy.host, [energy] carbon and pue";
    }
}

/// What GPUs spent in an hour, for whom and where.
pub mod energy {
    use super::{Aggregate, Cow, Direction, Kind, Metric, MetricId, Scope, Unit};
    use Kind::Gauge;

    rows! { Energy
        USED "energy.used" "ENERGY" Joules 8 / 1.0, Sum Neutral Gauge,
            "Energy that GPUs took: GPUs only, the rest of their nodes not counted.", "gpu.energy, or else gpu.power × time";
        HOST "energy.host" "HOSTS" Joules 8 / 1.0, Sum Neutral Gauge,
            "Energy that the rest of the GPUs' machines took, where they have a meter, or else their CPUs: each GPU has the same part of its machine's.", "node.total.power, less gpu.power, or else node.cpu.power";
        IDLE "energy.idle" "WASTED" Joules 8 / 1.0, Sum HighIsBad Gauge,
            "The part of it that GPUs took while a job had them and left them idle.", "gpu.energy and gpu.util";
        ESTIMATED "energy.estimated" "ESTIM" Joules 8 / 1.0, Sum Neutral Gauge,
            "The part of it that is power times time, for the GPU has no counter of energy or it was reset.", "gpu.power × time";
        GPU_TIME "energy.gpu.time" "GPUTIME" Seconds 8 / 1.0, Sum Neutral Gauge,
            "Time for which GPUs were watched, all of them together.", "samples";
        COST "energy.cost" "COST" One 9 / 0.01, Sum Neutral Gauge,
            "What the energy cost, with what is known of the rest of the machines, in the site's currency; unknown without a price, and without a pue what the machines alone cost.", "energy.used, energy.host, [energy] price and pue";
        CARBON "energy.carbon" "CO2KG" One 9 / 0.01, Sum Neutral Gauge,
            "Kilograms of CO₂ equivalent of the same energy; unknown where the site does not say.", "energy.used, energy.host, [energy] carbon and pue";
    }
}

/// What is wrong.
pub mod incident {
    use super::{Aggregate, Cow, Direction, Kind, Metric, MetricId, Scope, Unit};
    use crate::model::incident::{Severity, Stage};
    use Kind::{Choice, Gauge};

    rows! { Incident
        SEVERITY "incident.severity" "SEV" One 4 / 1.0, Max HighIsBad Choice(Severity::WORDS),
            "How much it matters: info, warn or crit.", "the rule";
        STAGE "incident.stage" "STAGE" One 12 / 1.0, Min Neutral Choice(Stage::WORDS),
            "Whether it is open, acknowledged by somebody, silenced for a time, verifying (mended, and yet to prove itself), or cleared.", "the health engine, and what people say";
        AGE "incident.age" "AGE" Seconds 6 / 1.0, Max Neutral Gauge,
            "For how long its condition has held, or held.", "the health engine";
        SEEN "incident.seen" "SEEN" Seconds 6 / 1.0, Min Neutral Gauge,
            "How long ago its condition held last.", "the health engine";
        COUNT "incident.count" "COUNT" One 6 / 1.0, Sum HighIsBad Gauge,
            "How many things have it, or how many reports there were of it.", "the health engine";
        NODES "incident.nodes" "NODES" One 6 / 1.0, Sum HighIsBad Gauge,
            "How many nodes have it.", "the health engine";
    }
}

/// By what incidents are raised.
pub mod rule {
    use super::{Aggregate, Cow, Direction, Kind, Metric, MetricId, Scope, Unit};
    use crate::model::incident::Severity;
    use Kind::{Choice, Gauge};

    rows! { Rule
        SEVERITY "rule.severity" "SEV" One 4 / 1.0, Max Neutral Choice(Severity::WORDS),
            "How much its incidents matter: info, warn or crit.", "built in, or [[rule]] of the site";
        HOLD "rule.hold" "HOLD" Seconds 6 / 1.0, Max Neutral Gauge,
            "How long its condition has to hold before an incident is raised.", "built in, or [[rule]] of the site";
        CLEAR_HOLD "rule.clear.hold" "CLEARS" Seconds 6 / 1.0, Max Neutral Gauge,
            "How long it must hold no longer before the incident is cleared.", "built in, or [[rule]] of the site";
        OPEN "rule.open" "OPEN" One 5 / 1.0, Sum HighIsBad Gauge,
            "Its incidents that are open.", "the health engine";
    }
}
