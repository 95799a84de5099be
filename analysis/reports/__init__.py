"""The renderings of a verdict: HTML, charts, JUnit XML, and how numbers are written."""
