//! The rules: what each one means, what to do, and how others number the same thing.
//!
//! A rule's id is stable. Baselines and suppressions name it, and so does `docs/reference/scan-rules.md`, which is
//! checked against this table.

use std::fmt;

/// A kind of finding.
#[derive(PartialEq, Eq)]
pub struct Rule {
    /// Stable id, such as `pickle/dangerous-import`.
    pub id: &'static str,
    /// What was found, in a few words.
    pub title: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
    /// Known vulnerabilities of this kind.
    pub cve: &'static [&'static str],
    /// CWE numbers.
    pub cwe: &'static [u32],
    /// MITRE ATLAS techniques.
    pub atlas: &'static [&'static str],
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

const REFUSE: &str = "do not load it; get the weights from a source you trust, as safetensors";
const RENEW: &str = "get the file again from its maker and compare digests; do not load this copy";
const REVIEW: &str =
    "read what it names; if it is yours, suppress this finding with a reason and an end date";
const CLEAN_ROWS: &str = "read the rows it names; `--quarantine` writes the data without them";
const POISONED: &[&str] = &["AML.T0020"];
const BACKDOOR: &[&str] = &["AML.T0020", "AML.T0018.000"];
const UNSAFE_ARTIFACT: &[&str] = &["AML.T0011.000", "AML.T0010.003"];
const EVADES: &[&str] = &["AML.T0011.000", "AML.T0015"];

macro_rules! rules {
    ($($name:ident = $id:literal, $title:literal, $remedy:expr, [$($cve:literal),*], [$($cwe:literal),*], $atlas:expr;)*) => {
        $(#[doc = $title] pub static $name: Rule = Rule {
            id: $id, title: $title, remedy: $remedy, cve: &[$($cve),*], cwe: &[$($cwe),*], atlas: $atlas,
        };)*
        /// All rules, in the order of the table.
        pub static ALL: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    DANGEROUS_IMPORT = "pickle/dangerous-import", "imports what can run code", REFUSE, ["CVE-2025-1716", "CVE-2025-10157", "CVE-2024-34997", "CVE-2019-6446"], [502, 94], UNSAFE_ARTIFACT;
    RESOLVER = "pickle/resolver", "reaches a name through another name", REFUSE, [], [502, 470], EVADES;
    UNLISTED_IMPORT = "pickle/unlisted-import", "imports what is not on the list of harmless names", REVIEW, [], [502], UNSAFE_ARTIFACT;
    COMPUTED_IMPORT = "pickle/computed-import", "imports a name that can't be read from the file", REFUSE, [], [502, 470], EVADES;
    EXTENSION_REGISTRY = "pickle/extension-registry", "imports by number from the loader's registry", REFUSE, [], [502, 470], EVADES;
    ARITY = "pickle/arity", "calls a harmless name in a way it is not meant to be called", REFUSE, ["CVE-2026-24747"], [502], EVADES;
    CALLS_OBJECT = "pickle/calls-object", "calls something that is not an import", REFUSE, [], [502], EVADES;
    PATCHES_IMPORT = "pickle/patches-import", "changes what it imported", REFUSE, [], [502, 915], EVADES;
    PERSISTENT_ID = "pickle/persistent-id", "asks the loader for an object by id", REVIEW, [], [502], UNSAFE_ARTIFACT;
    NESTED_PICKLE = "pickle/nested", "carries another pickle that runs code", REFUSE, [], [502, 506], EVADES;
    BREAKS = "pickle/breaks", "the stream breaks; everything before the break would have run", RENEW, [], [502, 20], EVADES;
    STRADDLE = "pickle/frame-straddle", "an opcode crosses the end of its frame", RENEW, [], [502, 436], EVADES;
    TRAILING = "pickle/trailing-bytes", "bytes follow the end of the stream", RENEW, [], [502], EVADES;
    TWO_READINGS = "file/two-readings", "two loaders would read different things from the same bytes", REFUSE, [], [436, 843], EVADES;
    LIMIT = "file/limit", "a limit was reached, and the rest was not looked at", REVIEW, [], [400, 409], &["AML.T0029"];
    UNREADABLE = "file/unreadable", "it could not be read to its end", RENEW, [], [20], EVADES;
    UNRECOGNISED = "file/unrecognised", "no known format of a model", REVIEW, [], [], UNSAFE_ARTIFACT;
    DISGUISED = "file/disguised", "the content is not what the name says", REFUSE, ["CVE-2025-1889", "CVE-2025-10155"], [434, 646], EVADES;
    ENCRYPTED = "archive/encrypted", "a member is encrypted and can't be looked into", REVIEW, [], [311], EVADES;
    ARCHIVE_UNSUPPORTED = "archive/unsupported", "packed in a way that can't be looked into", REFUSE, [], [], EVADES;
    ARCHIVE_DISAGREES = "archive/disagrees", "two parts of the archive tell different stories about a member", RENEW, ["CVE-2025-1944", "CVE-2025-1945", "CVE-2025-10156", "CVE-2026-24747"], [436], EVADES;
    ARCHIVE_HIDDEN = "archive/hidden-bytes", "bytes in the archive belong to no member", RENEW, [], [436, 506], EVADES;
    CHECKSUM = "archive/checksum", "a member does not have its checksum", RENEW, ["CVE-2025-10156"], [354], EVADES;
    TRAVERSAL = "archive/traversal", "a member's name leads out of the folder", REFUSE, ["CVE-2025-54413"], [22], UNSAFE_ARTIFACT;
    LINK = "archive/link", "a member is a link or a device", REFUSE, [], [59], UNSAFE_ARTIFACT;
    NUMPY_HEADER = "numpy/header", "the header is not what numpy writes", RENEW, [], [20], EVADES;
    SAFETENSORS_HEADER = "safetensors/header", "the header is not what the format allows", RENEW, [], [20, 1284], EVADES;
    TEMPLATE = "template/escape", "a chat template reaches for Python's insides", REFUSE, ["CVE-2024-34359"], [1336, 94], UNSAFE_ARTIFACT;
    TEMPLATE_ODD = "template/odd", "a chat template does what templates do not need", REVIEW, [], [1336, 400], UNSAFE_ARTIFACT;
    GGUF_HEADER = "gguf/header", "the header is not what the format allows", RENEW, [], [20, 190], EVADES;
    ONNX_EXTERNAL = "onnx/external-path", "tensor data is read from outside the model's folder", REFUSE, ["CVE-2022-25882", "CVE-2024-27318", "CVE-2025-51480"], [22], UNSAFE_ARTIFACT;
    ONNX_CUSTOM = "onnx/custom-operator", "an operator comes from a library that is not in the file", REVIEW, [], [829], UNSAFE_ARTIFACT;
    PROTOBUF = "protobuf/broken", "the message is not well formed", RENEW, [], [20], EVADES;
    CUSTOM_OPERATOR = "graph/custom-operator", "a part of the model is code that is not in the file", REVIEW, [], [829], UNSAFE_ARTIFACT;
    KERAS_CODE = "keras/code", "a layer holds code that runs when the model is loaded or called", REFUSE, ["CVE-2024-3660", "CVE-2025-9905", "CVE-2025-49655"], [502, 94], UNSAFE_ARTIFACT;
    KERAS_MODULE = "keras/module", "the configuration names something outside Keras", REFUSE, ["CVE-2025-1550", "CVE-2025-8747", "CVE-2025-9906"], [502, 470], UNSAFE_ARTIFACT;
    KERAS_CUSTOM = "keras/custom", "the configuration names a class that is not Keras' own", REVIEW, [], [502], UNSAFE_ARTIFACT;
    KERAS_PATH = "keras/path", "a layer reads a file or address when it is loaded", REFUSE, ["CVE-2025-12058"], [22, 918], UNSAFE_ARTIFACT;
    HDF5_EXTERNAL = "hdf5/external", "a link or data set leads to another file", REFUSE, [], [22, 59], UNSAFE_ARTIFACT;
    HDF5_BROKEN = "hdf5/broken", "the structure can't be followed", RENEW, [], [20], EVADES;
    TF_OPERATOR = "tensorflow/operator", "the graph holds an operator that runs code or touches files", REFUSE, [], [502, 94, 73], UNSAFE_ARTIFACT;
    HYDRA_TARGET = "config/target", "a configuration names a Python object to call", REFUSE, ["CVE-2025-23304"], [502, 470], UNSAFE_ARTIFACT;
    REMOTE_CODE = "config/remote-code", "the configuration asks for Python code beside the weights", REVIEW, [], [829, 94], UNSAFE_ARTIFACT;
    CONFIG_CODE = "config/code", "a value holds program text", REVIEW, [], [94, 506], UNSAFE_ARTIFACT;
    OBJECT = "config/object", "a document names the classes of its objects, and one runs code", REFUSE, ["CVE-2025-68664", "CVE-2020-14343"], [502, 470], UNSAFE_ARTIFACT;
    ENCODED = "config/encoded", "a text holds, in another writing, what runs code", REFUSE, [], [506, 502], EVADES;
    PACKAGES = "config/packages", "packages come from where nobody has looked at them", REVIEW, [], [829, 494], &["AML.T0010.001"];
    COMMAND = "file/command", "a command does what building and starting a model does not need", REFUSE, [], [78, 506], UNSAFE_ARTIFACT;
    NOTEBOOK = "notebook/code", "a cell does what tutorials do not do", REVIEW, [], [94, 506], UNSAFE_ARTIFACT;
    PAGE = "page/script", "a text that is shown as a page holds a script", REVIEW, [], [79, 829], UNSAFE_ARTIFACT;
    XML_ENTITY = "xml/entity", "the document declares entities or a document type", REFUSE, [], [611, 776], UNSAFE_ARTIFACT;
    XML_EXTENSION = "xml/extension", "the document names code outside the format", REVIEW, [], [829], UNSAFE_ARTIFACT;
    SKOPS_TYPE = "skops/type", "the schema names a type or function that is not on the list", REFUSE, ["CVE-2025-54412", "CVE-2025-54413", "CVE-2025-54886"], [502, 351], UNSAFE_ARTIFACT;
    SCRIPT = "torchscript/operator", "the program calls an operator that touches files or runs code", REFUSE, ["CVE-2025-32434"], [94, 73], UNSAFE_ARTIFACT;
    JSON_BROKEN = "json/broken", "the document is not plain JSON with each key once", RENEW, [], [20, 436], EVADES;
    SOURCE_CODE = "file/program", "a program or a native library lies among the weights", REVIEW, [], [829], UNSAFE_ARTIFACT;
    DATA_LABEL = "data/label", "labels are likely wrong", CLEAN_ROWS, [], [345], POISONED;
    DATA_TRIGGER = "data/trigger-text", "a word or phrase was put in to pull texts to a label", CLEAN_ROWS, [], [506, 345], BACKDOOR;
    DATA_MARK = "data/trigger-mark", "rows of one label share a mark that others lack, and belong elsewhere", CLEAN_ROWS, [], [506, 345], BACKDOOR;
    DATA_SIGNATURE = "data/signature", "a part of a class lies apart from it, and belongs elsewhere", CLEAN_ROWS, [], [506, 345], BACKDOOR;
    DATA_FLOOD = "data/flood", "one text is there many times with small changes", CLEAN_ROWS, [], [345], POISONED;
    DATA_CLUSTER = "data/nonsense-after", "sense ends after a word in several texts", CLEAN_ROWS, [], [506, 345], BACKDOOR;
    DATA_BAIT = "data/retrieval-bait", "passages were written to be found for one question", CLEAN_ROWS, [], [345], &["AML.T0070", "AML.T0066"];
    DATA_INSTRUCTIONS = "data/instructions", "texts give instructions to a model", CLEAN_ROWS, [], [1427], &["AML.T0051.001", "AML.T0070"];
    DATA_PERSONAL = "data/personal", "texts hold personal data", CLEAN_ROWS, [], [359], &["AML.T0057"];
    DATA_SECRET = "data/secret", "texts hold keys or passwords", "revoke them, and take the rows out", [], [798, 200], &["AML.T0057"];
    DATA_HIDDEN = "data/hidden-text", "texts hold characters that people do not see", CLEAN_ROWS, [], [451], &["AML.T0068"];
    DATA_CANARY = "data/canary", "a planted value is in the data", "find out how it came here; the source it was planted in has leaked", [], [200], &["AML.T0057"];
    DATA_SCHEMA = "data/schema", "rows are not what the format says", RENEW, [], [20, 1286], POISONED;
    DATA_EXPECTATION = "data/expectation", "a column is not as expected", "find out what changed, or change the expectation", [], [1284], POISONED;
    DATA_DRIFT = "data/drift", "a column is not distributed as it was", "find out what changed; if it is meant, take this version as the baseline", [], [345], POISONED;
}

/// The rule of an id.
#[must_use]
pub fn of(id: &str) -> Option<&'static Rule> {
    ALL.iter().find(|rule| rule.id == id).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_on_the_page_and_has_one_id() {
        let page = include_str!("../../../docs/reference/scan-rules.md");
        let mut ids = std::collections::HashSet::new();
        for rule in ALL {
            assert!(ids.insert(rule.id), "{rule:?} is there twice");
            let known = rule.cve.iter().map(|cve| (*cve).to_owned());
            let known = known.chain(rule.cwe.iter().map(|number| format!("CWE-{number}")));
            let known: Vec<String> = known
                .chain(rule.atlas.iter().map(|id| (*id).to_owned()))
                .collect();
            let row = format!("| `{}` | {} | {} |", rule.id, rule.title, known.join(" "));
            assert!(page.contains(&row), "missing: {row}");
        }
        assert_eq!(page.matches("\n| `").count(), ALL.len());
    }
}
