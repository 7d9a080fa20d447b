"""Pairs of requests that ask the same in other words, for the stability of decisions.

Our own sentences: each form is asked in three other ways, for three sets of things.
"""

from __future__ import annotations

import json
from pathlib import Path

# form, three other ways to ask it, three fillings
FORMS: list[tuple[str, tuple[str, str, str], list[tuple[str, ...]]]] = [
    ("What is the capital of {0}?", ("Which city is the capital of {0}?", "Name {0}'s capital city.", "{0}: what is its capital?"), [("Peru",), ("Latvia",), ("Kenya",)]),
    ("Translate '{0}' into {1}.", ("How do you say '{0}' in {1}?", "Please give the {1} for '{0}'.", "Put '{0}' into {1}, please."), [("good evening", "Spanish"), ("where is the station", "German"), ("I am late", "French")]),
    ("Who wrote {0}?", ("Who is the author of {0}?", "{0} was written by whom?", "Name the writer of {0}."), [("Middlemarch",), ("The Trial",), ("Don Quixote",)]),
    ("Explain how {0} works in two sentences.", ("In two sentences, say how {0} works.", "Give a two-sentence explanation of the way {0} works.", "How does {0} work? Two sentences are enough."), [("a heat pump",), ("a zip fastener",), ("a transistor",)]),
    ("A train leaves at {0} and travels {1} km at {2} km/h. When does it arrive?", ("At {0} a train sets off; it goes {1} km at a speed of {2} km/h. At what time is it there?", "When does a train arrive that departs at {0} and covers {1} km at {2} km/h?", "Departure {0}, distance {1} km, speed {2} km/h: what is the train's time of arrival?"), [("8:15", "180", "90"), ("10:40", "250", "100"), ("6:05", "96", "64")]),
    ("{0} has {1} apples and gives a third of them away, then buys {2} more. How many apples are left?", ("Of {1} apples, {0} gives away a third and then buys another {2}. How many are there in the end?", "How many apples does {0} have after giving away one third of {1} and buying {2} more?", "{0} starts with {1} apples. A third is given away and {2} are bought. How many apples does {0} have now?"), [("Mara", "27", "5"), ("Oskar", "42", "12"), ("Lin", "18", "9")]),
    ("Write a Python function that {0}.", ("Please write a function in Python that {0}.", "I need a Python function which {0}.", "In Python, implement a function that {0}."), [("returns the second largest number of a list",), ("checks whether two words are anagrams",), ("merges overlapping intervals",)]),
    ("Write an SQL query that lists {0} of each {1} in the table {2}, the largest first.", ("List, with an SQL query on the table {2}, {0} of each {1}, largest first.", "Which SQL query on table {2} gives {0} for every {1}, sorted from large to small?", "From table {2}, select {0} per {1} in descending order; write the SQL."), [("the total revenue", "customer", "orders"), ("the number of visits", "page", "hits"), ("the mean delay", "airline", "flights")]),
    ("Summarise the plot of {0} in one paragraph.", ("Give a one-paragraph summary of the plot of {0}.", "What happens in {0}? Answer in one paragraph.", "In a single paragraph, sum up what happens in {0}."), [("Hamlet",), ("The Odyssey",), ("Jane Eyre",)]),
    ("Find the derivative of {0}.", ("Differentiate {0}.", "What is the derivative of {0}?", "Compute the first derivative of {0}."), [("x^3 sin(x)",), ("ln(2x + 1)",), ("e^(x^2)",)]),
    ("Solve {0} for x.", ("Find x such that {0}.", "What is x if {0}?", "For which x does {0} hold?"), [("3x + 7 = 22",), ("x^2 - 5x + 6 = 0",), ("2^x = 32",)]),
    ("Prove that {0}.", ("Give a proof that {0}.", "Show that {0}.", "How does one prove that {0}?"), [("the square root of 3 is irrational",), ("there are infinitely many primes",), ("every finite tree has a leaf",)]),
    ("Compare {0} and {1} with respect to cost, safety and ease of use, and recommend one of them for {2}.", ("Which of {0} and {1} would you recommend for {2}? Compare their cost, safety and ease of use.", "For {2}, weigh {0} against {1} by cost, safety and ease of use, and pick one.", "Make a comparison of {0} with {1} (cost, safety, ease of use) and say which one suits {2}."), [("gas stoves", "induction stoves", "a small flat"), ("trains", "coaches", "school trips"), ("paper ballots", "voting machines", "a small town")]),
    ("Give me five ideas for {0}.", ("I need five ideas for {0}.", "List five ideas for {0}, please.", "What are five ideas for {0}?"), [("a rainy afternoon with children",), ("a farewell gift for a colleague",), ("a vegetarian picnic",)]),
    ("Correct the grammar: '{0}'", ("Please fix the grammar of this: '{0}'", "Which mistakes are in '{0}'? Correct them.", "'{0}' - put the grammar of this right."), [("She don't has no time for goes there.",), ("Me and him was late yesterday.",), ("There is many peoples in the park.",)]),
    ("What are the side effects of {0}, and when should a patient stop taking it?", ("Which side effects does {0} have, and when must a patient stop it?", "Tell me the side effects of {0} and when patients ought to stop taking it.", "When should one stop taking {0}, and what side effects does it have?"), [("ibuprofen",), ("metformin",), ("amoxicillin",)]),
    ("Why did {0}? Name the three most important causes.", ("Name the three main causes: why did {0}?", "What were the three most important reasons that {0}?", "Give three main reasons why {0}."), [("the Roman Empire fall in the west",), ("the Hanseatic League decline",), ("the price of tulips collapse in 1637",)]),
    ("Is {0} larger than {1}?", ("Which is larger, {0} or {1}?", "Of {0} and {1}, which one is larger?", "Compare {0} with {1}: is the first larger?"), [("7/12", "9/16"), ("0.45", "4/9"), ("3.11", "3.9")]),
    ("Draft a polite e-mail to {0} asking for {1}.", ("Write a polite e-mail in which {0} is asked for {1}.", "Please compose a courteous mail to {0} to ask for {1}.", "I want to ask {0} for {1}; draft a polite e-mail."), [("my landlord", "a repair of the heating"), ("a professor", "a letter of reference"), ("a supplier", "an extension of payment")]),
    ("A bag holds {0} red and {1} blue balls. Two are drawn without replacement. What is the probability that both are red?", ("Two balls are drawn, without putting back, from a bag of {0} red and {1} blue ones. How likely is it that both are red?", "What is the probability of drawing two red balls without replacement from a bag with {0} red and {1} blue balls?", "From {0} red and {1} blue balls in a bag, two are taken without replacement. Find the chance that the two are red."), [("5", "7"), ("4", "6"), ("8", "3")]),
    ("Classify the tone of this review as positive, neutral or negative: {0}", ("Is the tone of the following review positive, neutral or negative? {0}", "Say whether this review is positive, neutral or negative in tone: {0}", "{0} Is the tone of this review positive, neutral or negative?"), [("The room was clean but nobody answered the bell for an hour.",), ("Best soup I have had in years, and friendly people.",), ("It arrived on Tuesday, as announced.",)]),
    ("Design a schema for a database of {0} that can answer {1}. Explain keys, indexes and how you would migrate old records.", ("How would you design a database schema for {0} which can answer {1}? Explain the keys and indexes, and the migration of old records.", "Propose a schema for {0} so that {1} can be answered; describe keys, indexes, and how old records are migrated.", "A database of {0} has to answer {1}. Lay out its schema with keys and indexes and explain how to migrate the old records."), [("library loans", "who had which book on a given day"), ("ferry bookings", "how full each crossing was"), ("lab samples", "which freezer a sample was in last year")]),
    ("How many {0} are there in {1}?", ("What is the number of {0} in {1}?", "{1} has how many {0}?", "Tell me how many {0} {1} has."), [("bones", "an adult human body"), ("keys", "a full piano"), ("member states", "the African Union")]),
    ("My program prints '{0}' when I {1}. What is the most likely cause, and how do I find it?", ("When I {1}, my program prints '{0}'. What causes this most likely, and how can I track it down?", "What is the likeliest reason that my program says '{0}' as I {1}, and how would I find it?", "I {1} and get '{0}' from my program. Which cause is most probable, and how do I locate it?"), [("Segmentation fault", "close the window"), ("connection reset by peer", "upload large files"), ("recursion limit exceeded", "sort a long list")]),
    ("Which of these is a mammal? A. {0} B. {1} C. {2} D. trout", ("Which one is a mammal? A. {0} B. {1} C. {2} D. trout", "Choose the mammal: A. {0} B. {1} C. {2} D. trout", "One of these is a mammal - which? A. {0} B. {1} C. {2} D. trout"), [("gecko", "dolphin", "robin"), ("bat", "toad", "stork"), ("cobra", "swift", "otter")]),
]  # fmt: skip


def pairs() -> list[dict[str, str]]:
    """Original and paraphrase, 225 of them."""
    return [
        {"original": form.format(*things), "paraphrase": other.format(*things)}
        for form, others, fillings in FORMS
        for things in fillings
        for other in others
    ]


def write(path: Path) -> Path:
    """The pairs as JSON lines, as the evaluator reads them."""
    path.write_text("".join(json.dumps(p) + "\n" for p in pairs()))
    return path
