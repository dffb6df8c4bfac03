//! The votes of real experts: known answers, and `lcz votes` and its figures from outside.

mod support;

use std::path::Path;
use std::process::{Command, Output};

use lcz::data::read_votes;
use lcz::metrics::VoteSummary;
use support::{assert_near, real_file};

fn lcz(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lcz")).args(arguments).output().expect("lcz can be run")
}

/// Computed with R and NumPy from the released file; the votes of each majority in whole percent.
#[test]
fn the_released_votes_of_so2sat_agree_as_far_as_is_known() {
    let Some(file) = real_file("votes/so2sat_vote_patterns.csv") else { return };
    let summary = VoteSummary::from_votes(&read_votes(&file).unwrap()).unwrap();
    assert_eq!((summary.samples, summary.votes_per_sample), (162_369, [11.0, 11.0]));
    assert_near(summary.entropy.mean, 0.1448, 5e-5);
    assert_near(summary.urban.as_ref().unwrap().mean, 0.3065, 5e-5);
    assert_near(summary.natural.as_ref().unwrap().mean, 0.0696, 5e-5);
    assert_near(summary.unanimous, 0.705, 5e-4);
    assert_near(summary.fleiss_kappa.unwrap(), 0.888, 5e-4);
    for (majority, votes) in [
        ("1", &[("1", 80.0), ("4", 13.0), ("2", 8.0)][..]),
        ("3", &[("3", 75.0), ("2", 13.0), ("6", 12.0)]),
        ("C", &[("C", 65.0), ("B", 24.0), ("D", 5.0), ("F", 3.0), ("E", 2.0)]),
        ("G", &[("G", 99.8)]),
    ] {
        let class = |code: &str| summary.classes.iter().position(|class| class.class == code).unwrap();
        for (voted, percent) in votes {
            assert_near(summary.classes[class(majority)].percent[class(voted)], *percent, 0.51);
        }
    }
}

#[test]
fn the_votes_of_cifar_10h_have_their_known_entropy() {
    let Some(file) = real_file("cifar10h/cifar10h-counts.npy") else { return };
    let summary = VoteSummary::from_votes(&read_votes(&file).unwrap()).unwrap();
    assert_eq!(summary.samples, 10_000);
    assert_near(summary.entropy.mean, 0.1545, 5e-5);
    // Ten classes that are not zones; different numbers of votes.
    assert!(summary.urban.is_none() && summary.fleiss_kappa.is_none());
}

#[test]
fn votes_are_summed_up_drawn_and_verified() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("votes.csv"), "X1,X2,X17,Freq\n8,2,0,3\n0,0,10,5\n").unwrap();
    let output = lcz(&["votes", &at("votes.csv"), "--provenance", "synthetic", "--figures", &at("figures")]);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && printed.contains("8 samples of 10 votes"), "{printed}");
    assert!(printed.contains("1:80 2:20") && printed.contains("unanimous 62.5 %"), "{printed}");
    for stem in ["voting-entropy", "voting-confusion"] {
        for extension in ["svg", "png", "csv"] {
            let figure = at(&format!("figures/{stem}.{extension}"));
            assert!(Path::new(&figure).exists(), "{figure}");
            let output = lcz(&["verify", &figure]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
    }
    std::fs::write(at("votes.csv"), "X1,X2,X17,Freq\n8,2,0,2\n0,0,10,5\n").unwrap();
    let output = lcz(&["verify", &at("figures/voting-entropy.svg")]);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stdout).contains("DIFFERS"));
}

#[test]
fn votes_of_a_npz_are_drawn_and_verified_too() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n";
    let array = [b"\x93NUMPY\x01\x00", &[header.len() as u8, 0][..], header.as_bytes(), &[1, 2, 7, 10, 0, 0]]
        .concat();
    let mut zip = zip::ZipWriter::new(std::fs::File::create(at("votes.npz")).unwrap());
    zip.start_file("votes.npy", zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut zip, &array).unwrap();
    zip.finish().unwrap();
    let output = lcz(&["votes", &at("votes.npz"), "--figures", &at("figures")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = lcz(&["verify", &at("figures/voting-confusion.svg")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn votes_that_are_none_are_refused_on_one_line() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("votes.csv"), "X1,Y\n8,2\n").unwrap();
    std::fs::write(at("votes.npy"), "no array").unwrap();
    for file in [at("votes.csv"), at("votes.npy"), at("missing.csv"), at("missing.h5")] {
        let output = lcz(&["votes", &file]);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.starts_with("error: ") && message.lines().count() == 1, "{message}");
    }
}
