//! A file of JSON lines that only grows at its end: a crash costs the last line at most. Before dead lines outgrow the
//! living, it is rewritten without them.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, BufWriter, Write as _},
    marker::PhantomData,
    mem,
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::mpsc::{SyncSender, sync_channel},
    thread,
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};

use crate::model::time::Time;

/// What a line says.
pub(super) trait Line: Serialize + DeserializeOwned + Send {
    /// Lines that are kept, newest last.
    const MOST: usize;

    /// What has to be read of a line to know whether it is kept: the line itself, or less of a long one.
    type Head: DeserializeOwned;

    /// What it is about, if a newer line about the same replaces it.
    fn key(head: &Self::Head) -> Option<&str>;

    /// When it was, and for how long it is of interest after that, if it is so for a while only.
    fn lapses(_head: &Self::Head) -> Option<(Time, Duration)> {
        None
    }
}

/// An open file of lines.
#[derive(Debug)]
pub(super) struct Lines<T> {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    bytes: u64,
    /// How many lines there are, dead ones among them.
    count: usize,
    /// How many lines it may have before it is rewritten.
    rewrite_at: usize,
    of: PhantomData<T>,
}

/// Which lines of a file are worth keeping.
struct Survey {
    alive: Vec<bool>,
    unreadable: usize,
    ends_whole: bool,
}

impl<T: Line> Lines<T> {
    /// Lines that may be dead in a file of few.
    const SLACK: usize = 10_000;

    /// Lines that are handed on together.
    const BATCH: usize = 64;
    /// Batches that may wait to be restored.
    const WAITING: usize = 16;

    /// Opens or makes a file, and gives each living line to `restore`, oldest first. Also says how many lines were
    /// unreadable; they are left out from now on.
    pub(super) fn open(path: &Path, mut restore: impl FnMut(T)) -> io::Result<(Lines<T>, usize)> {
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        let mut survey = Survey::of::<T>(&file)?;
        // One core reads, and another restores: agents and viewers wait for both.
        thread::scope(|scope| {
            let (lines, read) = sync_channel(Self::WAITING);
            let (survey, file) = (&mut survey, &file);
            let reader = thread::Builder::new().spawn_scoped(scope, move || survey.read(file, Self::BATCH, &lines))?;
            read.into_iter().flatten().for_each(&mut restore);
            reader.join().unwrap_or_else(|panic| resume_unwind(panic))
        })?;
        if !survey.is_clean() {
            file = survey.rewrite(path, &file)?;
        }
        Ok((Lines::new(path, file, survey.living())?, survey.unreadable))
    }

    fn new(path: &Path, file: File, count: usize) -> io::Result<Lines<T>> {
        let bytes = file.metadata()?.len();
        let rewrite_at = count.saturating_mul(2).saturating_add(Self::SLACK);
        Ok(Lines { path: path.to_owned(), file, bytes, count, rewrite_at, of: PhantomData })
    }

    /// Appends lines and waits until they are on disk: all of them, or none.
    pub(super) fn append<'a>(&mut self, lines: impl IntoIterator<Item = &'a T>) -> io::Result<()>
    where
        T: 'a,
    {
        let (mut text, mut count) = (Vec::new(), 0);
        for line in lines {
            serde_json::to_writer(&mut text, line)?;
            text.push(b'\n');
            count += 1;
        }
        if count == 0 {
            return Ok(());
        }
        if let Err(error) = self.file.write_all(&text).and_then(|()| self.file.sync_data()) {
            // Half a line would spoil the next one, too.
            self.file.set_len(self.bytes)?;
            return Err(error);
        }
        self.bytes += text.len() as u64;
        self.count += count;
        if self.count > self.rewrite_at { self.compact() } else { Ok(()) }
    }

    fn compact(&mut self) -> io::Result<()> {
        let survey = Survey::of::<T>(&self.file)?;
        let file = survey.rewrite(&self.path, &self.file)?;
        *self = Lines::new(&self.path, file, survey.living())?;
        Ok(())
    }
}

impl Survey {
    fn of<T: Line>(file: &File) -> io::Result<Survey> {
        rewind(file)?;
        let mut survey = Survey { alive: Vec::new(), unreadable: 0, ends_whole: true };
        let mut newest = HashMap::<String, usize>::new();
        // The newest line says about what time it is.
        let (mut lapses, mut now) = (Vec::new(), None);
        let (mut reader, mut line) = (BufReader::new(file), Vec::new());
        while reader.read_until(b'\n', &mut line)? > 0 {
            survey.ends_whole = line.ends_with(b"\n");
            let said = serde_json::from_slice::<T::Head>(&line).ok();
            if let Some(key) = said.as_ref().and_then(T::key)
                && let Some(older) = newest.insert(key.to_owned(), survey.alive.len())
            {
                survey.alive[older] = false;
            }
            if let Some((time, kept)) = said.as_ref().and_then(T::lapses) {
                lapses.push((survey.alive.len(), time + kept));
                now = now.max(Some(time));
            }
            survey.unreadable += usize::from(said.is_none());
            survey.alive.push(said.is_some());
            line.clear();
        }
        for (at, until) in lapses {
            survey.alive[at] &= now.is_none_or(|now| now <= until);
        }
        let surplus = survey.living().saturating_sub(T::MOST);
        survey.alive.iter_mut().filter(|alive| **alive).take(surplus).for_each(|alive| *alive = false);
        Ok(survey)
    }

    /// Reads the living lines and hands them on, so many together. One whose head alone could be read lives no longer.
    fn read<T: Line>(&mut self, file: &File, together: usize, lines: &SyncSender<Vec<T>>) -> io::Result<()> {
        rewind(file)?;
        let mut batch = Vec::with_capacity(together);
        for (line, alive) in BufReader::new(file).split(b'\n').zip(&mut self.alive) {
            let line = line?;
            if !*alive {
                continue;
            }
            if let Ok(line) = serde_json::from_slice(&line) {
                batch.push(line);
            } else {
                *alive = false;
                self.unreadable += 1;
            }
            // Nobody listens once what restores has panicked.
            if batch.len() == together && lines.send(mem::replace(&mut batch, Vec::with_capacity(together))).is_err() {
                return Ok(());
            }
        }
        let _ = lines.send(batch);
        Ok(())
    }

    fn living(&self) -> usize {
        self.alive.iter().filter(|alive| **alive).count()
    }

    fn is_clean(&self) -> bool {
        self.ends_whole && self.alive.iter().all(|alive| *alive)
    }

    /// Writes the living lines beside `path` and moves them there, so that a crash leaves the old or the new file.
    fn rewrite(&self, path: &Path, old: &File) -> io::Result<File> {
        rewind(old)?;
        let draft = path.with_extension("new");
        let file = OpenOptions::new().create(true).append(true).read(true).open(&draft)?;
        file.set_len(0)?;
        let mut new = BufWriter::new(file);
        for (line, alive) in BufReader::new(old).split(b'\n').zip(&self.alive) {
            let line = line?;
            if *alive {
                new.write_all(&line)?;
                new.write_all(b"\n")?;
            }
        }
        let file = new.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_data()?;
        fs::rename(&draft, path)?;
        // The new name has to outlive a crash as well.
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(file)
    }
}

fn rewind(mut file: &File) -> io::Result<()> {
    io::Seek::rewind(&mut file)
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, de::IgnoredAny};

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Node(String, usize);

    impl Line for Node {
        const MOST: usize = usize::MAX;

        type Head = (String, IgnoredAny);

        fn key((name, _): &Self::Head) -> Option<&str> {
            Some(name)
        }
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Entry(usize);

    impl Line for Entry {
        const MOST: usize = 3;

        type Head = Entry;

        fn key(_: &Entry) -> Option<&str> {
            None
        }
    }

    fn read<T: Line>(path: &Path) -> (Vec<T>, usize) {
        let mut lines = Vec::new();
        let (_, unreadable) = Lines::open(path, |line| lines.push(line)).unwrap();
        (lines, unreadable)
    }

    #[test]
    fn the_newest_line_about_a_thing_replaces_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("roster.jsonl");
        let (mut lines, _) = Lines::open(&path, |_: Node| panic!("there is none")).unwrap();
        let (a, b, newer) = (Node("a".into(), 1), Node("b".into(), 1), Node("a".into(), 2));
        lines.append([&a, &b]).unwrap();
        lines.append([&newer]).unwrap();
        drop(lines);
        assert_eq!(read::<Node>(&path), (vec![b, newer], 0));
    }

    #[test]
    fn a_file_does_not_grow_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let (mut lines, _) = Lines::open(&path, |_: Entry| panic!("there is none")).unwrap();
        let rounds = 3 * Lines::<Entry>::SLACK / 1000;
        for round in 0..rounds {
            let batch: Vec<_> = (0..1000).map(|n| Entry(round * 1000 + n)).collect();
            lines.append(&batch).unwrap();
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.lines().count() <= Lines::<Entry>::SLACK + 6, "{}", text.lines().count());
        assert_eq!(text.len() as u64, lines.bytes);
        let last = rounds * 1000 - 1;
        drop(lines);
        assert_eq!(read::<Entry>(&path), (vec![Entry(last - 2), Entry(last - 1), Entry(last)], 0));
    }

    #[test]
    fn a_line_of_which_the_head_alone_can_be_read_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("roster.jsonl");
        fs::write(&path, "[\"a\",1]\n[\"b\",\"many\"]\n[\"c\",3]\n").unwrap();
        assert_eq!(read::<Node>(&path), (vec![Node("a".into(), 1), Node("c".into(), 3)], 1));
        assert_eq!(fs::read_to_string(&path).unwrap(), "[\"a\",1]\n[\"c\",3]\n");
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Passing(i64);

    impl Line for Passing {
        const MOST: usize = usize::MAX;

        type Head = Passing;

        fn key(_: &Passing) -> Option<&str> {
            None
        }

        fn lapses(passing: &Passing) -> Option<(Time, Duration)> {
            Some((Time::from_millis(passing.0), Duration::from_millis(100)))
        }
    }

    #[test]
    fn what_is_over_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jobs.jsonl");
        fs::write(&path, "900\n1000\n899\n").unwrap();
        assert_eq!(read::<Passing>(&path), (vec![Passing(900), Passing(1000)], 0));
        assert_eq!(fs::read_to_string(&path).unwrap(), "900\n1000\n");
    }

    #[test]
    fn a_torn_line_costs_itself_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        fs::write(&path, "1\nnot json\n2\n3").unwrap();
        assert_eq!(read::<Entry>(&path), (vec![Entry(1), Entry(2), Entry(3)], 1));
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n2\n3\n", "the next line begins anew");
        assert_eq!(read::<Entry>(&path).1, 0);
    }
}
