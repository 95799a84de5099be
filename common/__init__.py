"""Code that every part of the kit uses: errors, the egress policy, files, options, processes."""
