"""The platform's public contracts: assignment, configs, MPIC, stream configs, schemas, intake, table."""
