"""All that is known of Alibaba Cloud's gpdb API (version 2016-05-03)."""
