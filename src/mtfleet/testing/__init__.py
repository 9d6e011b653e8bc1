"""Public doubles and contract suites, so that a third party can write a driver, store or engine and prove
it."""
