"""The platform's public contracts: assignment, configs, MPIC, stream configs, schemas, the intake."""
