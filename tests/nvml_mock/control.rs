//! The file that says how the mock behaves, one rule a line; lines that say nothing known end the process.
//!
//! ```text
//! gpus 8                     how many GPUs there are
//! driver 570.124.06          the driver's version
//! log                        append each call to the file NAME.calls: `nvmlDeviceGetPowerUsage 3`
//! hang CALL                  a call that is about no GPU does not return while this line stands
//! fail CALL CODE             it returns this nvmlReturn_t: `fail nvmlInit_v2 9`
//! gpu 3 set temp 91          a value: see `gpu.rs` for their names; `field:82` sets a field
//! gpu 3 lost                 every call returns NVML_ERROR_GPU_IS_LOST
//! gpu 3 gone                 it is not enumerated
//! gpu 3 slow 200 [CALL]      each call takes 200 ms
//! gpu 3 hang [CALL]          calls do not return while this line stands
//! gpu 3 fail CALL CODE       the call returns this nvmlReturn_t; a field is `field:82`, a GPM metric `gpm:20`
//! gpu 3 lacks CALL           the call returns NVML_ERROR_NOT_SUPPORTED
//! gpu 3 xid 79 1             raises XID 79 once; another number behind it raises it again
//! gpu 3 mig 1g.10gb 2g.20gb  MIG is on, with these instances
//! gpu * …                    any of these, for every GPU
//! ```

use nvml_wrapper_sys::bindings::{nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED as NOT_SUPPORTED, nvmlReturn_t};

/// What the control file says.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    pub(crate) gpus: usize,
    pub(crate) driver: String,
    pub(crate) log: bool,
    rules: Vec<Rule>,
}

/// One XID to raise. `number` tells apart those that are otherwise the same.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Xid {
    pub(crate) gpu: usize,
    pub(crate) code: u64,
    pub(crate) number: u64,
}

#[derive(Clone, Debug)]
struct Rule {
    about: About,
    says: Says,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum About {
    Library,
    Gpu(usize),
    AllGpus,
}

#[derive(Clone, Debug)]
enum Says {
    Set(String, f64),
    Lost,
    Gone,
    Slow(u64, Option<String>),
    Hang(Option<String>),
    Fail(String, nvmlReturn_t),
    Xid(u64, u64),
    Mig(Vec<String>),
}

impl Control {
    /// Reads the rules. Panics on a line that is none: a test that misspells one must not pass.
    pub(crate) fn parse(text: &str) -> Control {
        let mut control = Control { gpus: 8, driver: "570.124.06".into(), log: false, rules: Vec::new() };
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [] => {}
                ["gpus", n] => control.gpus = number(n) as usize,
                ["driver", version] => control.driver = version.into(),
                ["log"] => control.log = true,
                ["gpu", "*", ref says @ ..] => control.rules.push(rule(About::AllGpus, says, line)),
                ["gpu", n, ref says @ ..] => control.rules.push(rule(About::Gpu(number(n) as usize), says, line)),
                ref says => control.rules.push(rule(About::Library, says, line)),
            }
        }
        control
    }

    /// A value that was set for this GPU.
    pub(crate) fn value(&self, gpu: usize, key: &str) -> Option<f64> {
        self.of(Some(gpu)).find_map(|says| match says {
            Says::Set(name, value) if name == key => Some(*value),
            _ => None,
        })
    }

    pub(crate) fn lost(&self, gpu: usize) -> bool {
        self.of(Some(gpu)).any(|says| matches!(says, Says::Lost))
    }

    /// The numbers of the GPUs that the driver lists.
    pub(crate) fn listed(&self) -> Vec<usize> {
        (0..self.gpus).filter(|gpu| !self.of(Some(*gpu)).any(|says| matches!(says, Says::Gone))).collect()
    }

    /// How long this call takes, in milliseconds.
    pub(crate) fn takes(&self, gpu: Option<usize>, call: &str) -> u64 {
        let slow = |says: &Says| match says {
            Says::Slow(ms, of) if of.as_deref().is_none_or(|of| of == call) => Some(*ms),
            _ => None,
        };
        self.of(gpu).find_map(slow).unwrap_or(0)
    }

    pub(crate) fn hangs(&self, gpu: Option<usize>, call: &str) -> bool {
        self.of(gpu).any(|says| matches!(says, Says::Hang(of) if of.as_deref().is_none_or(|of| of == call)))
    }

    /// The error that this call (or field, or GPM metric) returns.
    pub(crate) fn fails(&self, gpu: Option<usize>, call: &str) -> Option<nvmlReturn_t> {
        self.of(gpu).find_map(|says| match says {
            Says::Fail(of, code) if of == call => Some(*code),
            _ => None,
        })
    }

    pub(crate) fn xids(&self) -> Vec<Xid> {
        let raised = |rule: &Rule| match (rule.about, &rule.says) {
            (About::Gpu(gpu), Says::Xid(code, number)) => Some(Xid { gpu, code: *code, number: *number }),
            _ => None,
        };
        self.rules.iter().filter_map(raised).collect()
    }

    /// Profiles of the GPU's MIG instances; nothing when MIG is off.
    pub(crate) fn mig(&self, gpu: usize) -> Option<&[String]> {
        self.of(Some(gpu)).find_map(|says| match says {
            Says::Mig(profiles) => Some(profiles.as_slice()),
            _ => None,
        })
    }

    /// What is said about a GPU, or about the library itself.
    fn of(&self, gpu: Option<usize>) -> impl Iterator<Item = &Says> {
        let about = move |rule: &&Rule| match (gpu, rule.about) {
            (Some(gpu), About::Gpu(n)) => n == gpu,
            (Some(_), about) => about == About::AllGpus,
            (None, about) => about == About::Library,
        };
        self.rules.iter().filter(about).map(|rule| &rule.says)
    }
}

fn rule(about: About, says: &[&str], line: &str) -> Rule {
    let says = match *says {
        ["set", key, value] => Says::Set(key.into(), value.parse().expect("a number after set")),
        ["lost"] => Says::Lost,
        ["gone"] => Says::Gone,
        ["slow", ms] => Says::Slow(number(ms), None),
        ["slow", ms, call] => Says::Slow(number(ms), Some(call.into())),
        ["hang"] => Says::Hang(None),
        ["hang", call] => Says::Hang(Some(call.into())),
        ["fail", call, code] => Says::Fail(call.into(), number(code) as nvmlReturn_t),
        ["lacks", call] => Says::Fail(call.into(), NOT_SUPPORTED),
        ["xid", code, which] => Says::Xid(number(code), number(which)),
        ["mig", ref profiles @ ..] => Says::Mig(profiles.iter().map(ToString::to_string).collect()),
        _ => panic!("the mock's control file holds a line that says nothing known: {line}"),
    };
    Rule { about, says }
}

fn number(word: &str) -> u64 {
    word.parse().unwrap_or_else(|_| panic!("the mock's control file has `{word}` where a number belongs"))
}
